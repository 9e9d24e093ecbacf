"""`sdbench verify RUN`: read a run again and report damage."""

from __future__ import annotations

import argparse
from typing import Any

from sdbench.core.errors import StoreError
from sdbench.core.terminal import say

__all__ = ["add_parser", "run"]


def add_parser(commands: Any, name: str) -> None:
    """Add the command to argparse's subparsers."""
    parser = commands.add_parser(
        name,
        help="read a run again and report damage",
        description="Read every shard, every image and the features of the reference images again, and check "
        "identities, numbers of rows, the sha256 of pixels, and remains of interrupted writes. Prints one "
        "line per finding; the exit code is 1 if there is any.",
    )
    parser.add_argument("place", metavar="RUN", help="a run folder, or the URL of a run")
    parser.set_defaults(run=run, resumable=False)


def run(args: argparse.Namespace) -> None:
    """Run the command."""
    from sdbench.core.console import display_for
    from sdbench.runs.store import existing_store
    from sdbench.runs.verify import verify

    display = display_for()
    try:
        findings = verify(
            existing_store(args.place),
            lambda done, total: display.update(f"{done}/{total} cells read", done, total),
        )
    finally:
        display.close()
    for line in findings.damage:
        say(line)
    read = f"{findings.shards} shards and {findings.images} images read"
    if findings.damage:
        raise StoreError(f"{args.place}: {read}, {len(findings.damage)} findings")
    say(f"{read}: all intact")
