"""`sdbench report RUN`: write the run's report page again from its stored results."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

__all__ = ["add_parser", "run"]


def add_parser(commands: Any, name: str) -> None:
    """Add the command to argparse's subparsers."""
    parser = commands.add_parser(
        name,
        help="write the report page of a run again",
        description="Draw the plot and write the report page of a run from its stored results.",
    )
    parser.add_argument(
        "run_folder", metavar="RUN", type=Path, help="a run folder, such as runs/shapes-sweep"
    )
    parser.set_defaults(run=run, resumable=False)


def run(args: argparse.Namespace) -> None:
    """Carry out the command."""
    from sdbench.reporting import write_report

    print(write_report(args.run_folder))
