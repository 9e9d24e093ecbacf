"""`sdbench run SPEC`: run an experiment, or resume it."""

from __future__ import annotations

import argparse
import json
import re
import sys
import time
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sdbench.cli.show import as_link, facts, show
from sdbench.core.errors import InputError, SdbenchError, did_you_mean
from sdbench.core.paths import typed_path
from sdbench.core.terminal import say

if TYPE_CHECKING:
    from sdbench.spec import ExperimentSpec

__all__ = ["add_overrides", "add_parser", "run"]

RUNS = Path("runs")
LOOK_EVERY = 10.0
"""Seconds between two looks into a watched folder."""


def add_parser(commands: Any, name: str) -> None:
    """Add the command to argparse's subparsers."""
    parser = commands.add_parser(
        name,
        help="run an experiment spec, or resume it",
        description="Make the images of an experiment spec, score them, draw the plots and write the report. "
        "Completed work in the run folder is kept: to resume after an interruption, run the command again.",
    )
    parser.add_argument(
        "spec",
        metavar="SPEC",
        type=typed_path,
        help="a YAML file, or the name of a spec that comes with sdbench, such as shapes-demo",
    )
    add_overrides(parser)
    parser.add_argument(
        "--out",
        metavar="RUN",
        help="the run: a folder, or a URL such as s3://BUCKET/RUN (default: runs/NAME OF THE SPEC)",
    )
    parser.add_argument(
        "--count", metavar="N", type=_positive, help="number of prompts (default: what the spec says)"
    )
    parser.add_argument(
        "--images",
        metavar="POLICY",
        type=_policy,
        help="which PNGs to keep: all, sample:N or none (default: what the spec says)",
    )
    parser.add_argument(
        "--executor",
        metavar="NAME",
        default="inline",
        help="what does the work: inline or ray (default: %(default)s)",
    )
    parser.add_argument(
        "--workers",
        metavar="N",
        type=_positive,
        help="number of Ray workers (default: one per GPU; without GPUs, as many as fit the cores)",
    )
    parser.add_argument(
        "--address", metavar="ADDRESS", help="join this Ray cluster; auto finds the one on this machine"
    )
    parser.add_argument(
        "--watch",
        metavar="FOLDER",
        type=typed_path,
        help="then wait for checkpoints that a training writes into FOLDER, and add each to the run",
    )
    parser.add_argument("--json", action="store_true", help="print what was made, and all values, as JSON")
    parser.add_argument("--log", metavar="FILE.jsonl", type=typed_path, help="write progress as JSON lines")
    parser.set_defaults(run=run, resumable=True)


def add_overrides(parser: argparse.ArgumentParser) -> None:
    """Add the option that changes values of a spec."""
    parser.add_argument(
        "--set",
        metavar="KEY=VALUE",
        action="append",
        default=[],
        help="change a value, such as prompts.count=8 or 'guidance_scales=[3,5]'; may be repeated",
    )


def run(args: argparse.Namespace) -> None:
    """Run the command."""
    from sdbench.sweep.names import read_spec

    if args.watch and args.json:
        raise InputError("--watch and --json exclude each other: a watching run prints its values each time")
    spec = read_spec(args.spec, args.set)
    if args.count is not None:
        spec = spec.with_count(args.count)
    if args.images is not None:
        spec = spec.model_copy(update={"images": args.images})
    from sdbench.runs.trackers import check_records
    from sdbench.sweep.executors import EXECUTORS
    from sdbench.sweep.watched import WatchedFolder

    if args.executor not in EXECUTORS:
        raise InputError(f"--executor {args.executor}: {did_you_mean(args.executor, EXECUTORS)}")
    check_records(spec.records)
    watched = WatchedFolder(args.watch) if args.watch else None
    _carry_out(spec, args)
    while watched:
        for path, grown in watched.grown(spec):
            try:
                _carry_out(grown, args)
            except InputError as error:
                watched.refuse(path)
                say(f"{path} is left out until it changes: {error}", file=sys.stderr)
        time.sleep(LOOK_EVERY)


def _carry_out(spec: ExperimentSpec, args: argparse.Namespace) -> None:
    from sdbench.core.console import display_for
    from sdbench.core.event_log import EventLog
    from sdbench.runs.trackers import send_records
    from sdbench.sweep.executors import Workforce
    from sdbench.sweep.progress import RunProgress
    from sdbench.sweep.runner import run_experiment

    place = args.out or RUNS / spec.name
    workforce = Workforce(args.executor, args.workers, args.address)
    with EventLog(args.log) if args.log else nullcontext() as log:
        with RunProgress(display_for(), log) as progress:
            outcome = run_experiment(spec, place, progress, workforce)
            failures = send_records(place, progress.note) if spec.records else []
        if args.json:
            made = {"images_made": outcome.images_made, "images_found": outcome.images_found}
            say(json.dumps({**facts(place), **made, "units_missing": len(outcome.gaps)}, indent=2))
        else:
            say(f"{outcome.images_made} images made, {outcome.images_found} reused\n")
            show(place)
            say(f"results: {outcome.results}")
            say(f"report: {as_link(outcome.page)}")
        if outcome.gaps:
            lost = f"{len(outcome.gaps)} units could not be made; the results note the gaps"
            failures.append(f"{lost}; run the command again to retry them")
        if failures:
            raise SdbenchError("; ".join(failures))


def _policy(text: str) -> str:
    if re.fullmatch(r"all|none|sample:[1-9][0-9]*", text) is None:
        raise argparse.ArgumentTypeError(f"{text!r} is not one of all, sample:N, none")
    return text


def _positive(text: str) -> int:
    try:
        number = int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number") from None
    if number < 1:
        raise argparse.ArgumentTypeError(f"{number} is less than 1")
    return number
