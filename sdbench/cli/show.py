"""`sdbench show RUN`: print the results of a run."""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from pathlib import Path
from typing import Any

from sdbench.core.terminal import say

__all__ = ["add_parser", "as_link", "facts", "run", "show"]

PAGE = "report/index.html"


def add_parser(commands: Any, name: str) -> None:
    """Add the command to argparse's subparsers."""
    parser = commands.add_parser(
        name,
        help="print the results of a run",
        description="Print what a run printed at its end: the values of every checkpoint and guidance scale "
        "with their errors, what is settled, and the place of its page.",
    )
    parser.add_argument("place", metavar="RUN", help="a run folder, or the URL of a run")
    parser.add_argument("--json", action="store_true", help="print all values as JSON")
    parser.set_defaults(run=run, resumable=False)


def run(args: argparse.Namespace) -> None:
    """Run the command."""
    from sdbench.runs.store import existing_store

    if args.json:
        say(json.dumps(facts(args.place), indent=2))
        return
    show(args.place)
    store = existing_store(args.place)
    if store.exists(PAGE):
        say(f"report: {as_link(store.where(PAGE))}")


def facts(place: str | Path) -> dict[str, Any]:
    """Return the places and the rows of results.csv of the run at `place`, for JSON."""
    from io import BytesIO

    import pandas as pd

    from sdbench.core.errors import InputError
    from sdbench.runs.store import existing_store

    store, key = existing_store(place), "results.csv"
    if not store.exists(key):
        raise InputError(f"{store.where(key)} does not exist; 'sdbench run' and 'sdbench score' write it")
    values = pd.read_csv(BytesIO(store.read(key)))
    page = store.where(PAGE) if store.exists(PAGE) else None
    rows = json.loads(values.to_json(orient="records"))
    return {"run": str(place), "results": store.where(key), "report": page, "values": rows}


def show(place: str | Path) -> None:
    """Print the tables, the answer and the warnings of the run at `place`, as wide as the terminal."""
    from reports.runs import open_run
    from reports.terminal import text_summary
    from sdbench.runs.local_copy import local_view
    from sdbench.runs.report import one_line_errors
    from sdbench.runs.store import existing_store

    with local_view(existing_store(place)) as folder, one_line_errors():
        lines = text_summary(open_run(folder), shutil.get_terminal_size().columns)
    say("\n".join(lines))


def as_link(place: str) -> str:
    """Return a path as a link that terminals open; as it is if the output is no terminal, or for a URL."""
    path = Path(place)
    return path.resolve().as_uri() if sys.stdout.isatty() and path.is_file() else place
