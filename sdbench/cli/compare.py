"""`sdbench compare A B`: are these images equivalent to those?"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sdbench.cli.parser import comma_separated
from sdbench.cli.score import MAPPINGS
from sdbench.core.errors import InputError
from sdbench.core.paths import typed_path
from sdbench.core.terminal import say

if TYPE_CHECKING:
    from sdbench.comparison import CompareRequest

__all__ = ["add_parser", "run"]

LOG_WIDTH = 120


def add_parser(commands: Any, name: str) -> None:
    """Add the command to argparse's subparsers."""
    parser = commands.add_parser(
        name,
        help="check whether another engine, kernel or quantisation makes equivalent images",
        description="Compare the images of B with those of A, pair by pair: identical, rounding, equivalent, "
        "changed or undecided. Exit code 0: passes; 1: changed; 2: undecided, or bad input. "
        "(`sdbench diff` shows how the specs and values of two runs differ.)",
    )
    what = "a folder or archive of images, a run, one cell of it as RUN:CELL, or a model"
    parser.add_argument("a", metavar="A", help=f"the baseline: {what}, or a file that --record wrote")
    parser.add_argument("b", metavar="B", nargs="?", help="the candidate, in any of these forms")
    parser.add_argument(
        "--repeats",
        metavar="A1",
        nargs="+",
        default=[],
        help="images of the baseline made again (another GPU, batch size or order): their differences from A "
        "are noise",
    )
    parser.add_argument("--prompts", metavar="FILE", help="prompts of the images in A, for CLIP scores")
    parser.add_argument(
        "--mapping", choices=MAPPINGS, default=MAPPINGS[0], help="how they match, as in sdbench score"
    )
    parser.add_argument(
        "--metrics",
        metavar="NAMES",
        help="protocols such as clip-score-vit-l-14 (default: the CLIP score whose weights are here)",
    )
    parser.add_argument("--reference", metavar="PATH", help="real images, for distances")
    for option, kind, default, words in (
        ("--sampler", str, "plms", "of models as A and B"),
        ("--steps", int, 50, "sampling steps of models"),
        ("--scale", float, 7.5, "guidance scale of models"),
        ("--seed", int, 42, "seed of the models' noise"),
    ):
        parser.add_argument(option, type=kind, default=default, help=f"{words} (default: {default})")
    parser.add_argument("--policy", metavar="YAML", type=typed_path, help="what passes, and the margins")
    parser.add_argument("--out", metavar="DIR", type=typed_path, help="write the reports to a folder")
    parser.add_argument(
        "--verify",
        metavar="certificate.json",
        type=typed_path,
        help="compare as the certificate says, and check that A, B and the result are those that it names",
    )
    parser.add_argument(
        "--record",
        metavar="FILE.sdbench",
        type=typed_path,
        help="write A to one small file, a baseline without pixels, instead of comparing; B is left away",
    )
    parser.set_defaults(run=run, resumable=True)


def run(args: argparse.Namespace) -> None:
    """Run the command."""
    from sdbench.comparison import compare
    from sdbench.comparison.certificate import read_certificate, request_of
    from sdbench.comparison.facts import facts
    from sdbench.comparison.reports import require, write_reports
    from sdbench.core.console import display_for
    from sdbench.core.progress import ImageProgress

    request = _request(args)
    if args.record is not None:
        _record(args, request)
        return
    if args.verify is not None:
        if args.metrics or args.policy:
            raise InputError("--verify takes metrics and policy from the certificate: leave them away")
        stored = read_certificate(args.verify)
        request = request_of(stored, request)
    with ImageProgress(display_for()) as progress:
        compared = compare(request, progress)
    found = [facts(one) for one in compared]
    _show(found)
    if args.out is not None:
        for path in write_reports(args.out, request, compared):
            say(path)
    if args.verify is None:
        require(compared)
    else:
        _confirm(stored, found)


def _request(args: argparse.Namespace) -> CompareRequest:
    from sdbench.comparison import CompareRequest, ComparisonPolicy, load_comparison_policy
    from sdbench.comparison.made import Asked

    if (args.b is None) != (args.record is not None):
        raise InputError("name A and B, or A and --record FILE.sdbench")
    return CompareRequest(
        args.a,
        args.b or "",
        tuple(args.repeats),
        args.prompts,
        args.mapping,
        None if args.metrics is None else comma_separated(args.metrics),
        args.reference,
        ComparisonPolicy() if args.policy is None else load_comparison_policy(args.policy),
        Asked(args.sampler, args.steps, args.scale, args.seed),
    )


def _record(args: argparse.Namespace, request: CompareRequest) -> None:
    from sdbench.comparison.record import record
    from sdbench.core.console import display_for
    from sdbench.core.progress import ImageProgress

    for option in ("repeats", "reference", "policy", "out", "verify"):
        if getattr(args, option):
            raise InputError(f"--record compares nothing: leave --{option} away")
    with ImageProgress(display_for()) as progress:
        kept = record(request, args.record, progress)
    n, size = len(kept.pictures), args.record.stat().st_size
    of = ", ".join(kept.metrics) or "no network"
    say(f"{args.record}: {n} images, {size / n / 1024:.1f} KiB each, with features of {of}")


def _show(comparisons: Sequence[Mapping[str, Any]]) -> None:
    from rich.console import Console

    from sdbench.comparison.outputs import as_lines, as_table

    console = Console(width=None if sys.stdout.isatty() else LOG_WIDTH)
    for found in comparisons:
        console.print(as_table(found))
        for line in as_lines(found):
            say(line)


def _confirm(stored: Mapping[str, Any], found: Sequence[Mapping[str, Any]]) -> None:
    """Raise ChangedError if the comparison is not that of the certificate."""
    from sdbench.comparison.certificate import differences
    from sdbench.core.errors import ChangedError

    lines = differences(stored, found)
    if lines:
        raise ChangedError(f"the certificate is not confirmed: {'; '.join(lines)}")
    say("the certificate is confirmed")
