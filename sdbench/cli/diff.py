"""`sdbench diff A B`: what changed between two runs in spec, environment and metrics."""

from __future__ import annotations

import argparse
from contextlib import AbstractContextManager, ExitStack, nullcontext
from pathlib import Path
from typing import Any

from sdbench.core.files import say_replaced, write_whole
from sdbench.core.paths import typed_path
from sdbench.core.terminal import note, say

__all__ = ["add_parser", "run"]


def add_parser(commands: Any, name: str) -> None:
    """Add the command to argparse's subparsers."""
    parser = commands.add_parser(
        name,
        help="show what changed between two runs",
        description="Compare run B with run A: every key of spec and environment that differs, and every "
        "metric, paired by prompt if prompts and starting noise are the same. Exits with 0 even if the runs "
        "differ.",
    )
    parser.add_argument("a", metavar="RUN_A", help="a run folder or its URL")
    parser.add_argument("b", metavar="RUN_B", help="a run folder or its URL")
    parser.add_argument("--json", metavar="FILE", type=typed_path, help="also write the comparison as JSON")
    parser.add_argument("--html", metavar="FILE", type=typed_path, help="also write the comparison as a page")
    parser.set_defaults(run=run, resumable=False)


def run(args: argparse.Namespace) -> None:
    """Run the command."""
    import json
    from dataclasses import asdict

    from reports.diff import diff_page, diff_text
    from sdbench.scoring.diff import compare_runs

    with ExitStack() as stack:
        a, b = (stack.enter_context(_folder(place)) for place in (args.a, args.b))
        found = {**asdict(compare_runs(a, b)), "a": args.a, "b": args.b}
    if args.json is not None:
        _write(args.json, json.dumps(found, indent=2) + "\n")
    if args.html is not None:
        _write(args.html, diff_page(found))
    say(diff_text(found), end="")


def _folder(place: str) -> AbstractContextManager[Path]:
    """Return the run's folder, or a local copy of a run at a URL."""
    from sdbench.runs.store import existing_store, is_url

    if not is_url(place):
        return nullcontext(Path(place))
    from sdbench.runs.local_copy import local_view

    return local_view(existing_store(place))


def _write(path: Path, text: str) -> None:
    say_replaced([path], note)
    write_whole(path, text.encode())
