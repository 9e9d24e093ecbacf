"""`sdbench report RUN`: write the report page of a run again from its stored results, or a public copy."""

from __future__ import annotations

import argparse
from typing import Any

from sdbench.core.paths import typed_path
from sdbench.core.terminal import say

__all__ = ["add_parser", "run"]


def add_parser(commands: Any, name: str) -> None:
    """Add the command to argparse's subparsers."""
    parser = commands.add_parser(
        name,
        help="write the report page of a run again",
        description="Draw the plots and write the report page of a run from its stored results.",
    )
    parser.add_argument(
        "run_folder", metavar="RUN", help="a run folder, such as runs/shapes-sweep, or the URL of a run"
    )
    parser.add_argument(
        "--public",
        metavar="FOLDER",
        type=typed_path,
        help="write page, plots and tables to this new folder instead, without names of machines and users, "
        "paths and trackers, to be shared",
    )
    parser.set_defaults(run=run, resumable=False)


def run(args: argparse.Namespace) -> None:
    """Run the command."""
    from sdbench.runs.local_copy import local_view, write_page
    from sdbench.runs.public import write_public
    from sdbench.runs.store import existing_store

    store = existing_store(args.run_folder)
    if args.public is None:
        say(write_page(store))
        return
    with local_view(store) as folder:
        say(write_public(folder, args.public))
