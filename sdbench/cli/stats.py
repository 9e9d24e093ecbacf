"""`sdbench stats make IMAGES`: store the statistics of real images, for runs to compare with."""

from __future__ import annotations

import argparse
import re
from typing import Any

from sdbench.cli.parser import comma_separated
from sdbench.core.paths import typed_path
from sdbench.core.terminal import say

__all__ = ["add_parser", "run"]


def add_parser(commands: Any, name: str) -> None:
    """Add the command to argparse's subparsers."""
    parser = commands.add_parser(
        name,
        help="store statistics of reference images",
        description="Store statistics of reference images: features, mean and covariance.",
    )
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    make = actions.add_parser(
        "make",
        help="compute statistics of images and write them to a file",
        description="Compute statistics of a folder, .zip, .tar or .npz of real images by one or several "
        "protocols, in one pass. To use the result, write reference: {source: stats, path: FILE|DIR} in a "
        "spec, or give sdbench score --reference FILE|DIR.",
    )
    make.add_argument("images", metavar="IMAGES", help="real images")
    make.add_argument(
        "--protocol", metavar="A,B", required=True, help="protocols, such as fid-inception-clean"
    )
    make.add_argument(
        "--out",
        metavar="FILE|DIR",
        type=typed_path,
        required=True,
        help="FILE.safetensors stores everything; FILE.npz stores only mu and sigma, in the format of "
        "pytorch-fid; DIR gets a file EXTRACTOR.safetensors for each extractor of the protocols",
    )
    make.add_argument(
        "--size",
        metavar="N|HxW",
        type=_size,
        help="first crop centrally and resize to this many pixels (default: images stay unchanged)",
    )
    make.set_defaults(run=run, resumable=True)


def run(args: argparse.Namespace) -> None:
    """Run the command."""
    from sdbench.core.console import display_for
    from sdbench.core.progress import ImageProgress
    from sdbench.scoring.reference_stats import make_stats

    with ImageProgress(display_for()) as progress:
        names = comma_separated(args.protocol)
        written = make_stats(args.images, names, args.out, args.size, progress)
    for file, stats in written.items():
        say(f"{stats.n} images, {stats.moments.dim} dimensions: {file}")


def _size(text: str) -> tuple[int, int]:
    match = re.fullmatch(r"([1-9]\d*)(?:x([1-9]\d*))?", text)
    if match is None:
        raise argparse.ArgumentTypeError(f"{text!r} is neither a side such as 512 nor HxW such as 512x768")
    height = int(match[1])
    return height, int(match[2] or height)
