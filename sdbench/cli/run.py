"""`sdbench run SPEC`: carry out an experiment, or go on with it."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

__all__ = ["add_parser", "run"]

RUNS = Path("runs")


def add_parser(commands: Any, name: str) -> None:
    """Add the command to argparse's subparsers."""
    parser = commands.add_parser(
        name,
        help="carry out an experiment spec, or go on with it",
        description="Make the images of an experiment spec, score them, draw the plot and write the report. "
        "What is complete in the run folder is kept: run it again to go on after an interruption.",
    )
    parser.add_argument(
        "spec", metavar="SPEC", type=Path, help="a YAML file, such as experiments/shapes-sweep.yaml"
    )
    parser.add_argument(
        "--out", metavar="RUN", type=Path, help="the run folder (default: runs/NAME OF THE SPEC)"
    )
    parser.add_argument(
        "--count", metavar="N", type=_positive, help="so many prompts instead of the spec's number"
    )
    parser.set_defaults(run=run, resumable=True)


def run(args: argparse.Namespace) -> None:
    """Carry out the command."""
    from sdbench.display import display_for
    from sdbench.progress import RunProgress
    from sdbench.spec import load_spec

    spec = load_spec(args.spec)
    if args.count is not None:
        spec = spec.with_count(args.count)
    # After the spec has been read: a wrong one is answered before the rest is imported.
    from sdbench.runner import run_experiment

    root = args.out or RUNS / spec.name
    with RunProgress(display_for()) as progress:
        outcome = run_experiment(spec, root, progress)
    print(f"{outcome.images_made} images made, {outcome.images_found} were there already")
    print(f"results: {root / 'results.csv'}")
    print(f"report: {outcome.page}")


def _positive(text: str) -> int:
    try:
        number = int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number") from None
    if number < 1:
        raise argparse.ArgumentTypeError(f"{number} is less than 1")
    return number
