"""`sdbench gc RUN`: list or delete what the current spec of a run does not need."""

from __future__ import annotations

import argparse
from typing import Any

from sdbench.core.terminal import say

__all__ = ["add_parser", "run"]


def add_parser(commands: Any, name: str) -> None:
    """Add the command to argparse's subparsers."""
    parser = commands.add_parser(
        name,
        help="list or delete what the current spec of a run does not need",
        description="List shards and images of cells that the current spec does not contain, and remains of "
        "interrupted writes. Deletes nothing without --delete.",
    )
    parser.add_argument("place", metavar="RUN", help="a run folder, or the URL of a run")
    parser.add_argument("--delete", action="store_true", help="delete what is listed")
    parser.set_defaults(run=run, resumable=False)


def run(args: argparse.Namespace) -> None:
    """Run the command."""
    from sdbench.runs.garbage import delete, unneeded
    from sdbench.runs.store import existing_store

    store = existing_store(args.place)
    keys = unneeded(store)
    if args.delete:
        delete(store, keys)
    for key in keys:
        say(store.where(key))
    done = "deleted" if args.delete else "not needed; --delete deletes them"
    say(f"{len(keys)} files {done}" if keys else "the current spec needs all files")
