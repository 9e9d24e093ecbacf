"""`sdbench grid`: one picture that compares prompts, models, samplers, steps and guidance scales."""

from __future__ import annotations

import argparse
import re
from pathlib import Path
from typing import Any

from sdbench.cli.parser import comma_separated
from sdbench.core.paths import typed_path
from sdbench.core.terminal import say

__all__ = ["add_parser", "run"]


def add_parser(commands: Any, name: str) -> None:
    """Add the command to argparse's subparsers."""
    parser = commands.add_parser(
        name,
        help="make a labelled grid of images over models, samplers, steps and scales, without metrics",
        description="Make images of the same prompts from the same noise with different settings, and write "
        'them as one labelled PNG. Ranges: 1.5,3,7 or 1-5 or "1-10 [5]" (five values) or "10-50 (+10)" (in '
        "steps of ten). To try it without a download: "
        "sdbench grid --prompt 'a red circle' --models shapes-v1-1,shapes-v1-4 --scales 1-8.",
    )
    parser.add_argument(
        "--prompt", metavar="TEXT", required=True, action="append", help="a prompt; may be repeated"
    )
    parser.add_argument(
        "--negative",
        metavar="TEXT",
        action="append",
        help="a negative prompt, '' for none; may be repeated to compare them (default: none)",
    )
    parser.add_argument(
        "--models", metavar="NAMES", default="shapes-v1-4", help="names or paths (default: %(default)s)"
    )
    parser.add_argument(
        "--samplers", metavar="NAMES", default="plms", help="names of samplers (default: %(default)s)"
    )
    parser.add_argument(
        "--steps", metavar="NUMBERS", default="50", help="numbers of steps (default: %(default)s)"
    )
    parser.add_argument(
        "--scales", metavar="NUMBERS", default="7.5", help="guidance scales (default: %(default)s)"
    )
    parser.add_argument(
        "--seed", metavar="N", type=int, default=42, help="seed of the noise (default: %(default)s)"
    )
    parser.add_argument(
        "--size",
        metavar="N or HxW",
        help="image size in pixels (default: 64 for the embedded family, otherwise 512)",
    )
    parser.add_argument(
        "--out",
        metavar="FILE.png",
        type=typed_path,
        default=Path("grid.png"),
        help="the file to write (default: %(default)s)",
    )
    parser.set_defaults(run=run, resumable=False)


def run(args: argparse.Namespace) -> None:
    """Run the command."""
    from sdbench.cli.ranges import parse_range, parse_whole_range
    from sdbench.core.console import display_for
    from sdbench.core.progress import ImageProgress
    from sdbench.tools.grid import GridRequest, make_grid

    request = GridRequest(
        prompts=tuple(args.prompt),
        models=_names(args.models, "--models"),
        samplers=_names(args.samplers, "--samplers"),
        steps=parse_whole_range(args.steps, "--steps"),
        scales=parse_range(args.scales, "--scales"),
        seed=args.seed,
        size=_size(args.size),
        out=args.out,
        negatives=tuple(args.negative or [""]),
    )
    with ImageProgress(display_for()) as progress:
        path = make_grid(request, progress)
    say(path)


def _names(text: str, option: str) -> tuple[str, ...]:
    from sdbench.core.errors import InputError

    names = comma_separated(text)
    if not all(names):
        raise InputError(f"{option}: {text!r} contains an empty name; separate names by single commas")
    return names


def _size(text: str | None) -> tuple[int, int] | None:
    from sdbench.core.errors import InputError

    if text is None:
        return None
    sides = re.fullmatch(r"(\d+)(?:x(\d+))?", text)
    if sides is None:
        raise InputError(f"--size: {text!r} is neither a number of pixels nor HEIGHTxWIDTH")
    return int(sides[1]), int(sides[2] or sides[1])
