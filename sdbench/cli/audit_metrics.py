"""`sdbench audit-metrics`: which metrics see which faults, from graded faults of clean scenes."""

from __future__ import annotations

import argparse
from typing import Any

from sdbench.cli.parser import comma_separated
from sdbench.core.paths import typed_path
from sdbench.core.terminal import say

__all__ = ["add_parser", "run"]


def add_parser(commands: Any, name: str) -> None:
    """Add the command to argparse's subparsers."""
    parser = commands.add_parser(
        name,
        help="show which metrics see which faults",
        description="Apply graded faults to clean scenes of the embedded family and print, for each metric "
        "and fault, the smallest dose that a 5% two-sided test tells from none with 80% power at 64, 512 and "
        "4096 images. The power is extrapolated from the differences and errors at N images.",
    )
    parser.add_argument(
        "--metrics",
        metavar="A,B",
        help="metrics, such as kd-shapes-clip or a metric from outside (default: the built-in ones whose "
        "weights are here)",
    )
    parser.add_argument("--faults", metavar="A,B", help="faults, such as blur,black (default: all)")
    parser.add_argument("-n", metavar="N", type=int, default=512, help="scenes to measure (default: 512)")
    parser.add_argument(
        "--out",
        metavar="DIR",
        type=typed_path,
        help="also write faults.csv, faults.json and faults.png into this folder",
    )
    parser.set_defaults(run=run, resumable=False)


def run(args: argparse.Namespace) -> None:
    """Run the command."""
    from sdbench.core.console import display_for
    from sdbench.core.errors import InputError
    from sdbench.core.progress import ImageProgress
    from sdbench.spec import FEWEST
    from sdbench.tools.faults.audit import audit_metrics, default_metrics
    from sdbench.tools.faults.doses import FAULTS
    from sdbench.tools.faults.outputs import table, write

    if args.n < FEWEST:
        raise InputError(f"-n: {args.n} scenes, at least {FEWEST} are needed")
    if args.out is not None and args.out.exists() and not args.out.is_dir():
        raise InputError(f"--out: {args.out} is not a folder")
    metrics = default_metrics() if args.metrics is None else comma_separated(args.metrics)
    faults = list(FAULTS) if args.faults is None else comma_separated(args.faults)
    with ImageProgress(display_for()) as progress:
        rows = audit_metrics(metrics, faults, args.n, progress)
    say(table(rows))
    if args.out is not None:
        write(args.out, rows)
        say(f"written: {args.out}/faults.csv, faults.json, faults.png")
