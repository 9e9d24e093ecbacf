"""Print the tables of changes and verdicts in docs/regression.md."""

from __future__ import annotations

from functools import cache

import torch
from catalogue import ALL, FAULTS, HARMLESS, IN_THE_NETWORK, subject_of

from sdbench.regression import Case, check_case, record_case


@cache
def record(testbed, sampler, eta):
    return record_case(Case(testbed, sampler, 20, 3.0, eta), subject_of(sampler))


def entry(change, sampler, testbed):
    if sampler not in change.samplers:
        return "-"
    result = check_case(record(testbed, sampler, change.eta), change.plant(sampler, subject_of(sampler)))
    return f"{result.verdict} ({result.first_step})" if result.first_step else str(result.verdict)


def table(changes, columns):
    print(f"| change | {' | '.join(f'{sampler}, {testbed}' for sampler, testbed in columns)} |")
    print("|---" * (len(columns) + 1) + "|")
    for name, change in changes.items():
        entries = [entry(change, sampler, testbed) for sampler, testbed in columns]
        print(f"| {name} | {' | '.join(entries)} |", flush=True)
    print()


def main() -> None:
    torch.set_num_threads(1)
    table(FAULTS | HARMLESS, [(sampler, bed) for sampler in ALL for bed in ("mixture", "gaussian")])
    table(IN_THE_NETWORK, [("ddim", "shapes")])


if __name__ == "__main__":
    main()
