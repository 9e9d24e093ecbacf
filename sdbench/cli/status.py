"""`sdbench status RUN`: the progress of a run."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from typing import Any

from sdbench.core.terminal import say

__all__ = ["add_parser", "run"]


def add_parser(commands: Any, name: str) -> None:
    """Add the command to argparse's subparsers."""
    parser = commands.add_parser(
        name,
        help="show the progress of a run",
        description="Count the finished and remaining images of each cell, with the rate of the last session "
        "and the time left at that rate. Works while the run is in progress, from any machine.",
    )
    parser.add_argument("place", metavar="RUN", help="a run folder, or the URL of a run")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=run, resumable=False)


def run(args: argparse.Namespace) -> None:
    """Run the command."""
    from sdbench.core.timing import duration
    from sdbench.runs.status import status_of
    from sdbench.runs.store import existing_store

    status = status_of(existing_store(args.place))
    if args.json:
        whole = {"done": status.done, "total": status.total, "seconds_left": status.seconds_left}
        say(json.dumps({**whole, **asdict(status)}, indent=2))
        return
    for cell in status.cells:
        say(f"{cell.done:>8} of {cell.total}  {cell.label}")
    say(f"{status.done:>8} of {status.total}  images done, {status.total - status.done} left")
    session = status.session
    if session is None:
        return
    state = "ended" if session.ended else "last update"
    rate = f", {session.rate:.3g} images/s" if session.rate else ""
    say(f"last session: {session.images} images by {session.executor}{rate}, {state} {session.updated}")
    if status.seconds_left:
        say(f"{duration(status.seconds_left)} left at that rate")
