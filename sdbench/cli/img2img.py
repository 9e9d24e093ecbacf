"""`sdbench img2img`: variations of a picture, with the flags and files of the original script."""

from __future__ import annotations

import argparse
from typing import Any

from sdbench.core.terminal import say
from sdbench.tools.compvis import arguments

__all__ = ["add_parser", "run"]


def add_parser(commands: Any, name: str) -> None:
    """Add the command to argparse's subparsers."""
    parser = commands.add_parser(
        name,
        help="make variations of a picture, like the original script",
        description="Make variations of a picture, with the flags, noise, folders and grid of the original "
        "img2img.py. To add detail to an enlarged picture, use a low --strength.",
    )
    parser.add_argument("--init-img", metavar="FILE", required=True, help="the picture to start from")
    parser.add_argument(
        "--strength",
        type=arguments.fraction,
        default=0.75,
        help="0 keeps the picture, 1 almost ignores it (default: %(default)s)",
    )
    arguments.add_output(parser, outdir=arguments.IMG2IMG_OUTDIR, n_iter=1, n_samples=2)
    arguments.add_sampling(parser, scale=5.0)
    parser.add_argument("--plms", action="store_true", help="refused, as in the original: img2img uses DDIM")
    parser.add_argument("--fixed_code", action="store_true", help="has no effect, as in the original")
    arguments.add_model(parser)
    arguments.add_checks(parser)
    parser.set_defaults(run=run, resumable=False)


def run(args: argparse.Namespace) -> None:
    """Run the command."""
    from sdbench.core.console import display_for
    from sdbench.core.progress import ImageProgress
    from sdbench.tools.compvis.img2img import image_to_image
    from sdbench.tools.compvis.settings import Img2ImgOptions

    with ImageProgress(display_for()) as progress:
        output = image_to_image(Img2ImgOptions.parsed(args), progress)
    say(output.summary)
