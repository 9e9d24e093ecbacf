"""`sdbench regress record|check`: check a sampler against a recorded baseline."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from sdbench.core.files import say_replaced
from sdbench.core.paths import typed_path
from sdbench.core.terminal import note, say

__all__ = ["add_parser", "run"]

BASELINE = Path("sampler-baseline")
LOG_WIDTH = 120
DEVICES = ("cpu", "cuda")
DTYPES = ("float32", "float16", "bfloat16")


def add_parser(commands: Any, name: str) -> None:
    """Add the command to argparse's subparsers."""
    actions = commands.add_parser(
        name,
        help="check whether a sampler change is harmless",
        description="Regression tests for samplers.",
    ).add_subparsers(title="actions", metavar="ACTION", required=True)
    record = actions.add_parser("record", help="write a baseline: trajectories, images, error budgets")
    _shared(record)
    record.add_argument("--seed", type=int, default=0, help="seed of all noise (default: 0)")
    record.set_defaults(run=run, action=_record, resumable=False)

    check = actions.add_parser(
        "check",
        help="run the cases of a baseline again and judge them",
        description="Judge each case: identical, rounding, drift, changed or undecided. Exit code 0: all "
        "pass; 1: something is worse than allowed; 2: undecided, or bad input.",
    )
    _shared(check)
    check.add_argument(
        "--policy", metavar="YAML", type=typed_path, help="the worst verdicts that pass (default: rounding)"
    )
    check.add_argument(
        "--out", metavar="DIR", type=typed_path, help="write reports, plots and images to a folder"
    )
    check.set_defaults(run=run, action=_check, resumable=False)


def _shared(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--baseline",
        metavar="DIR",
        type=typed_path,
        default=BASELINE,
        help=f"its folder (default: {BASELINE})",
    )
    parser.add_argument("--quick", action="store_true", help="use only closed-form data; takes seconds")
    parser.add_argument(
        "--sampler",
        metavar="NAME=SOURCE",
        action="append",
        default=[],
        help="run only the cases of this name, with MODULE:FUNCTION, FILE.py:FUNCTION, an installed sampler "
        "or diffusers:CLASS?KEY=VALUE; may be repeated",
    )
    parser.add_argument(
        "--device", choices=DEVICES, default=DEVICES[0], help="where to run (default: %(default)s)"
    )
    parser.add_argument(
        "--dtype",
        choices=DTYPES,
        default=DTYPES[0],
        help="precision of latents, denoiser and decoder (default: %(default)s)",
    )


def run(args: argparse.Namespace) -> None:
    """Run the command."""
    args.action(args)


def _record(args: argparse.Namespace) -> None:
    from sdbench.core.console import display_for
    from sdbench.regression.baseline import baseline_files, save_baseline
    from sdbench.regression.platforms import Platform
    from sdbench.regression.session import record

    platform = Platform(args.device, args.dtype)
    say_replaced(baseline_files(args.baseline, platform), note)
    made = record(args.sampler, quick=args.quick, seed=args.seed, platform=platform, display=display_for())
    for path in save_baseline(args.baseline, made):
        say(path)


def _check(args: argparse.Namespace) -> None:
    from rich.console import Console

    from sdbench.core.console import display_for
    from sdbench.regression.baseline import load_baseline
    from sdbench.regression.outputs import as_table
    from sdbench.regression.platforms import Platform
    from sdbench.regression.policy import Policy, load_policy
    from sdbench.regression.session import check, require, write_reports

    policy = Policy() if args.policy is None else load_policy(args.policy)
    baseline = load_baseline(args.baseline, Platform(args.device, args.dtype))
    checked = check(baseline, args.sampler, policy, quick=args.quick, display=display_for())
    Console(width=None if sys.stdout.isatty() else LOG_WIDTH).print(as_table(checked))
    if args.out is not None:
        for path in write_reports(args.out, checked, note):
            say(path)
    require(checked)
