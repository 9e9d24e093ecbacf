"""`sdbench regress record|check`: hold a sampler to how it was."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

__all__ = ["add_parser", "run"]

BASELINE = Path("sampler-baseline")
LOG_WIDTH = 120
DEVICES = ("cpu", "cuda")
DTYPES = ("float32", "float16", "bfloat16")


def add_parser(commands: Any, name: str) -> None:
    """Add the command to argparse's subparsers."""
    actions = commands.add_parser(
        name, help="prove that a sampler change is harmless", description="Regression tests for samplers."
    ).add_subparsers(title="actions", metavar="ACTION", required=True)
    record = actions.add_parser("record", help="write a baseline: trajectories, images, error budgets")
    _shared(record)
    record.add_argument("--seed", type=int, default=0, help="of all noise (default: 0)")
    record.set_defaults(run=run, action=_record, resumable=False)

    check = actions.add_parser(
        "check",
        help="run the baseline's cases again and judge them",
        description="Judge each case identical, rounding, drift or changed. Exit codes: 0 all as allowed, 1 "
        "something is worse, 2 it could not be decided, or bad input.",
    )
    _shared(check)
    check.add_argument("--policy", metavar="YAML", type=Path, help="what is allowed (default: rounding)")
    check.add_argument("--out", metavar="DIR", type=Path, help="write reports, plots and images there")
    check.set_defaults(run=run, action=_check, resumable=False)


def _shared(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--baseline", metavar="DIR", type=Path, default=BASELINE, help=f"its folder (default: {BASELINE})"
    )
    parser.add_argument("--quick", action="store_true", help="closed-form data only, seconds")
    parser.add_argument(
        "--sampler",
        metavar="NAME=SOURCE",
        action="append",
        default=[],
        help="MODULE:FUNCTION, FILE.py:FUNCTION, an installed sampler or diffusers:CLASS?KEY=VALUE under "
        "that name, and only its cases; may be repeated",
    )
    parser.add_argument(
        "--device", choices=DEVICES, default=DEVICES[0], help="where it runs (default: %(default)s)"
    )
    parser.add_argument(
        "--dtype", choices=DTYPES, default=DTYPES[0], help="precision of all of it (default: %(default)s)"
    )


def run(args: argparse.Namespace) -> None:
    """Carry out the command."""
    args.action(args)


def _record(args: argparse.Namespace) -> None:
    from sdbench.display import display_for
    from sdbench.regression.baseline import save_baseline
    from sdbench.regression.platforms import Platform
    from sdbench.regression.session import record

    made = record(
        args.sampler,
        quick=args.quick,
        seed=args.seed,
        platform=Platform(args.device, args.dtype),
        display=display_for(),
    )
    for path in save_baseline(args.baseline, made):
        print(path)


def _check(args: argparse.Namespace) -> None:
    from rich.console import Console

    from sdbench.display import display_for
    from sdbench.regression.baseline import load_baseline
    from sdbench.regression.outputs import as_table
    from sdbench.regression.platforms import Platform
    from sdbench.regression.policy import Policy, load_policy
    from sdbench.regression.session import check, require, write_reports

    policy = Policy() if args.policy is None else load_policy(args.policy)
    baseline = load_baseline(args.baseline, Platform(args.device, args.dtype))
    outcome = check(baseline, args.sampler, policy, quick=args.quick, display=display_for())
    Console(width=None if sys.stdout.isatty() else LOG_WIDTH).print(as_table(outcome))
    if args.out is not None:
        for path in write_reports(args.out, outcome):
            print(path)
    require(outcome)
