"""`sdbench records RUN`: send results to the trackers of the spec, or print them for the Hugging Face Hub."""

from __future__ import annotations

import argparse
from typing import Any

from sdbench.core.errors import InputError, SdbenchError
from sdbench.core.terminal import note, say

__all__ = ["add_parser", "run"]


def add_parser(commands: Any, name: str) -> None:
    """Add the command to argparse's subparsers."""
    parser = commands.add_parser(
        name,
        help="send a run's results to its trackers, or print them for the Hugging Face Hub",
        description="Send the results of a run, with its plots and its spec, to the trackers that the spec "
        "lists under records, even if they were sent before. 'sdbench run' sends them when it ends.",
    )
    parser.add_argument("place", metavar="RUN", help="a run folder, or the URL of a run")
    printed = parser.add_mutually_exclusive_group()
    printed.add_argument(
        "--model-index",
        metavar="CHECKPOINT",
        help="print the model-index block of a Hugging Face model card, and send nothing",
    )
    printed.add_argument(
        "--eval-results",
        metavar="CHECKPOINT",
        help="print a file for the folder .eval_results of a Hugging Face model, and send nothing",
    )
    parser.add_argument(
        "--dataset",
        metavar="OWNER/NAME",
        help="the Hub data set that hosts the leaderboard of --eval-results (default: the one with the "
        "run's prompts)",
    )
    parser.set_defaults(run=run, resumable=True)


def run(args: argparse.Namespace) -> None:
    """Run the command."""
    from sdbench.runs.local_copy import local_view
    from sdbench.runs.store import existing_store
    from sdbench.runs.trackers import check_records, send_records
    from sdbench.runs.trackers.eval_results import eval_results
    from sdbench.runs.trackers.model_index import model_index
    from sdbench.runs.trackers.scored import read_scored

    if args.dataset is not None and args.eval_results is None:
        raise InputError("--dataset belongs to --eval-results CHECKPOINT")
    with local_view(existing_store(args.place)) as folder:
        if args.model_index is not None:
            say(model_index(folder, args.model_index), end="")
            return
        if args.eval_results is not None:
            say(eval_results(folder, args.eval_results, args.dataset), end="")
            return
        records = read_scored(folder).spec.records
    if not records:
        raise InputError(f"{args.place}: its spec lists no records, such as records: [{{to: mlflow}}]")
    check_records(records)
    failures = send_records(args.place, note, again=True)
    if failures:
        raise SdbenchError("; ".join(failures))
