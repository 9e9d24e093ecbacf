"""Print the table of faults and verdicts that stands in docs/regression.md. Run this file to make it anew."""

from __future__ import annotations

from functools import cache

import torch
from catalogue import ALL, FAULTS, HARMLESS, subject_of

from sdbench.regression import Case, check_case, record_case


@cache
def record(testbed, sampler, eta):
    return record_case(Case(testbed, sampler, 20, 3.0, eta), subject_of(sampler))


def entry(change, sampler, testbed):
    if sampler not in change.samplers:
        return "-"
    result = check_case(record(testbed, sampler, change.eta), change.plant(sampler, subject_of(sampler)))
    return f"{result.verdict} ({result.first_step})" if result.first_step else str(result.verdict)


def main() -> None:
    torch.set_num_threads(1)
    columns = [f"{sampler}, {testbed}" for sampler in ALL for testbed in ("mixture", "gaussian")]
    print(f"| change | {' | '.join(columns)} |")
    print("|---" * (len(columns) + 1) + "|")
    for name, change in (FAULTS | HARMLESS).items():
        entries = [entry(change, sampler, bed) for sampler in ALL for bed in ("mixture", "gaussian")]
        print(f"| {name} | {' | '.join(entries)} |", flush=True)


if __name__ == "__main__":
    main()
