"""`sdbench plot RUN`: redraw the Frechet distance against the CLIP score, without a model."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

__all__ = ["add_parser", "run"]

PUBLISHED = "published"


def add_parser(commands: Any, name: str) -> None:
    """Add the command to argparse's subparsers."""
    parser = commands.add_parser(
        name,
        help="redraw the plot from stored results",
        description="Draw the distance against the CLIP score, a curve per checkpoint, as PNG, SVG and PDF.",
    )
    parser.add_argument(
        "source",
        metavar="RUN|CSV|published",
        help="a run folder, a results.csv, or 'published': the points of the Stable Diffusion v1 release",
    )
    parser.add_argument(
        "--out", metavar="DIR", type=Path, help="where the files go (default: RUN/report, or beside the CSV)"
    )
    parser.set_defaults(run=run, resumable=False)


def run(args: argparse.Namespace) -> None:
    """Carry out the command."""
    from sdbench.reporting import draw_published, draw_results

    if args.source == PUBLISHED:
        files = draw_published(args.out or Path())
    else:
        files = draw_results(Path(args.source), args.out)
    for file in files:
        print(file)
