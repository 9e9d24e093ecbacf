"""`sdbench verify RUN`: read everything again and say what is damaged."""

from __future__ import annotations

import argparse
from typing import Any

from sdbench.errors import StoreError

__all__ = ["add_parser", "run"]


def add_parser(commands: Any, name: str) -> None:
    """Add the command to argparse's subparsers."""
    parser = commands.add_parser(
        name,
        help="read a run again and say what is damaged",
        description="Read every shard, every image and the features of the reference images again: "
        "identities, numbers of rows, pixels against their sha256, writes that never ended. One line for "
        "each finding; exit code 1 where there is one.",
    )
    parser.add_argument("place", metavar="RUN", help="a run folder, or the URL of a run")
    parser.set_defaults(run=run, resumable=False)


def run(args: argparse.Namespace) -> None:
    """Carry out the command."""
    from sdbench.display import display_for
    from sdbench.store import existing_store
    from sdbench.upkeep.verify import verify

    display = display_for()
    try:
        findings = verify(
            existing_store(args.place),
            lambda done, total: display.update(f"{done}/{total} cells read", done, total),
        )
    finally:
        display.close()
    for line in findings.damage:
        print(line)
    read = f"{findings.shards} shards and {findings.images} images read"
    if findings.damage:
        raise StoreError(f"{args.place}: {read}, {len(findings.damage)} findings")
    print(f"{read}: all as they were written")
