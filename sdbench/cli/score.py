"""`sdbench score IMAGES`: score images made by any tool; `sdbench score RUN`: score a run again."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sdbench.cli.parser import comma_separated
from sdbench.core.errors import InputError
from sdbench.core.paths import typed_path
from sdbench.core.terminal import say

if TYPE_CHECKING:
    from sdbench.runs.tables import ResultRow

__all__ = ["add_parser", "run"]

SCORES = Path("scores")
MAPPINGS = ("index", "name", "sidecar", "csv", "jsonl", "coco", "metadata", "filename")


def add_parser(commands: Any, name: str) -> None:
    """Add the command to argparse's subparsers."""
    parser = commands.add_parser(
        name,
        help="score images made by any tool, or score a run again",
        description="Score a folder, .zip, .tar or .npz of generated images by named protocols, with "
        "standard errors. Given a run, score it again from its shards, with --metrics by more metrics.",
    )
    parser.add_argument("images", metavar="IMAGES|RUN", help="images of one size, or a run folder or its URL")
    parser.add_argument(
        "--metrics",
        metavar="A,B",
        help="protocols, such as fid-inception-clean; of a run, those to add to its own",
    )
    parser.add_argument(
        "--reference",
        metavar="PATH",
        help="real images (folder, .zip, .tar, .npz), a file of statistics, or shapes:COUNT:SEED",
    )
    parser.add_argument("--prompts", metavar="FILE", help="file with the prompts, for CLIP scores")
    parser.add_argument(
        "--mapping",
        choices=MAPPINGS,
        help="how to pair images with prompts: index (images by name, one line of prompts each; default), "
        "name (the file's stem is the prompt id), sidecar (IMAGE.txt), csv (columns file, prompt), jsonl "
        "(metadata.jsonl of an ImageFolder), coco (the stem is the image id in a captions JSON), metadata "
        "(the text that web interfaces and ComfyUI write into a PNG), filename (the stem is the prompt)",
    )
    parser.add_argument(
        "--out", metavar="DIR", type=typed_path, help="folder for results (default: scores/NAME)"
    )
    parser.add_argument("--json", action="store_true", help="print the values as JSON")
    parser.set_defaults(run=run, resumable=True)


def run(args: argparse.Namespace) -> None:
    """Run the command."""
    from sdbench.runs.store import is_run

    if is_run(args.images):
        _score_run(args)
    else:
        _score_images(args)


def _score_run(args: argparse.Namespace) -> None:
    given = [name for name in ("reference", "prompts", "mapping", "out") if getattr(args, name)]
    if given:
        from sdbench.runs.store import is_url

        is_run = "URLs are those of runs" if is_url(args.images) else "this is a run"
        raise InputError(
            f"{args.images}: {is_run}, whose spec determines the scores: leave out --{given[0]}, or give a "
            "folder or archive of images on this machine"
        )
    from sdbench.core.console import display_for
    from sdbench.sweep.progress import RunProgress
    from sdbench.sweep.runner import score_run

    with RunProgress(display_for()) as progress:
        page = score_run(args.images, progress, comma_separated(args.metrics) if args.metrics else ())
    results = f"{args.images.rstrip('/')}/results.csv"
    if args.json:
        say(json.dumps({"results": results, "report": page}, indent=2))
        return
    say(f"results: {results}")
    say(f"report: {page}")


def _score_images(args: argparse.Namespace) -> None:
    if not args.metrics:
        raise InputError("--metrics is missing: name protocols, such as --metrics fid-inception-clean")
    from sdbench.core.console import display_for
    from sdbench.core.progress import ImageProgress
    from sdbench.scoring.images import ScoringRequest, score_images

    names = comma_separated(args.metrics)
    request = ScoringRequest(args.images, args.prompts, args.mapping or MAPPINGS[0], args.reference, names)
    images = typed_path(args.images).resolve()
    root = args.out or SCORES / (images.name if images.is_dir() else images.stem)
    with ImageProgress(display_for()) as progress:
        rows = score_images(request, root, progress)
    if args.json:
        values = [asdict(row) for row in rows]
        say(json.dumps({"results": str(root / "results.csv"), "values": values}, indent=2))
        return
    say("\n".join(_table(rows) + _what_differs(rows)))
    say(f"results: {root / 'results.csv'}")


def _table(rows: Sequence[ResultRow]) -> list[str]:
    """Return columns of protocol, value, standard error and n, followed by notes."""
    cells = [
        (
            row.protocol,
            f"{row.value:.6g}",
            "± ?" if row.standard_error is None else f"± {row.standard_error:.2g}",
            f"n = {row.n}",
        )
        for row in rows
    ]
    return _columns(cells) + [f"{row.protocol}: {row.note}" for row in rows if row.note]


def _what_differs(rows: Sequence[ResultRow]) -> list[str]:
    """Return tables of how protocols of the same metric differ, to explain why their values do."""
    from metrics import Formula
    from sdbench.scoring.protocols import protocol_of

    kinds: dict[Formula, list[ResultRow]] = {}
    for row in rows:
        kinds.setdefault(protocol_of(row.protocol).formula, []).append(row)
    lines = []
    for alike in kinds.values():
        protocols = [protocol_of(row.protocol) for row in alike]
        table = [
            (row.protocol, f"{row.value:.6g}", p.resize, p.quantisation, p.extractor, p.features)
            for row, p in zip(alike, protocols, strict=True)
        ]
        different = [column for column in zip(*table, strict=True) if len(set(column)) > 1]
        if len(alike) > 1:
            words = protocols[0].formula.words
            heading = f"what differs between the {len(alike)} protocols of one formula ({words}):"
            lines += ["", heading, *_columns(list(zip(*different, strict=True)))]
    return lines


def _columns(cells: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return [
        "  ".join(word.ljust(width) for word, width in zip(line, widths, strict=True)).rstrip()
        for line in cells
    ]
