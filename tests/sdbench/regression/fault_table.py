"""Print the tables of changes and verdicts in docs/regression.md."""

from __future__ import annotations

from functools import cache

import torch
from catalogue import ALL, FAULTS, HARMLESS, IN_THE_NETWORK
from flow_catalogue import ALL as FLOWS
from flow_catalogue import BY_RESOLUTION, FLOW_FAULTS, FLOW_HARMLESS, flow_subject

from sdbench.regression import Case, check_case, record_case


@cache
def record(testbed, sampler, eta):
    return record_case(Case(testbed, sampler, 20, 3.0, eta), flow_subject(sampler))


def entry(change, sampler, testbed):
    if sampler not in change.samplers:
        return "-"
    result = check_case(record(testbed, sampler, change.eta), change.plant(sampler, flow_subject(sampler)))
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
    flows = [(sampler, bed) for sampler in FLOWS for bed in ("flow-mixture", "flow-gaussian")]
    table(FLOW_FAULTS | FLOW_HARMLESS, [*flows, (*BY_RESOLUTION, "flow-mixture")])
    table(IN_THE_NETWORK, [("ddim", "shapes")])


if __name__ == "__main__":
    main()
