"""`sdbench img2img`: variations of a picture, with the flags and files of the original script."""

from __future__ import annotations

import argparse
from typing import Any

from sdbench.scripts import arguments

__all__ = ["add_parser", "run"]


def add_parser(commands: Any, name: str) -> None:
    """Add the command to argparse's subparsers."""
    parser = commands.add_parser(
        name,
        help="make variations of a picture, as the original script does",
        description="Make variations of a picture, with flags, noise, folders and grid of the original "
        "img2img.py. Give an enlarged picture and a low --strength to add detail to it.",
    )
    parser.add_argument("--init-img", metavar="FILE", required=True, help="the picture to start from")
    parser.add_argument(
        "--strength",
        type=arguments.fraction,
        default=0.75,
        help="0 keeps the picture, 1 hardly uses it (default: %(default)s)",
    )
    arguments.add_output(parser, outdir=arguments.IMG2IMG_OUTDIR, n_iter=1, n_samples=2)
    arguments.add_sampling(parser, scale=5.0)
    parser.add_argument("--plms", action="store_true", help="refused, as in the original: DDIM is used")
    parser.add_argument("--fixed_code", action="store_true", help="has no effect, as in the original")
    arguments.add_model(parser)
    arguments.add_checks(parser)
    parser.set_defaults(run=run, resumable=False)


def run(args: argparse.Namespace) -> None:
    """Carry out the command."""
    from sdbench.display import display_for
    from sdbench.progress import ImageProgress
    from sdbench.scripts.img2img import image_to_image
    from sdbench.scripts.settings import Img2ImgSettings

    with ImageProgress(display_for()) as progress:
        outcome = image_to_image(Img2ImgSettings.parsed(args), progress)
    print(outcome.summary)
