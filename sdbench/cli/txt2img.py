"""`sdbench txt2img`: images from prompts, with the flags and files of the original script."""

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
        help="make images from prompts, like the original script",
        description="Make images from prompts, with the flags, noise, folders and grid of the original "
        "txt2img.py. To try it without a download: "
        "sdbench txt2img --ckpt shapes-v1-4 --H 64 --W 64 --prompt 'a red circle'.",
    )
    arguments.add_output(parser, outdir=arguments.TXT2IMG_OUTDIR, n_iter=2, n_samples=3)
    arguments.add_sampling(parser, scale=7.5)
    parser.add_argument("--plms", action="store_true", help="sample with PLMS (default: DDIM)")
    parser.add_argument("--dpm_solver", action="store_true", help="sample with DPM-Solver")
    parser.add_argument("--fixed_code", action="store_true", help="start every batch from the same noise")
    for side, words in (("--H", "height"), ("--W", "width")):
        parser.add_argument(
            side, type=arguments.positive, default=512, help=f"{words} in pixels (default: %(default)s)"
        )
    arguments.add_model(parser)
    parser.add_argument(
        "--laion400m",
        action="store_true",
        help="use the LAION-400M model and its defaults of --ckpt, --config and --outdir",
    )
    arguments.add_checks(parser)
    parser.set_defaults(run=run, resumable=False)


def run(args: argparse.Namespace) -> None:
    """Run the command."""
    from sdbench.core.console import display_for
    from sdbench.core.progress import ImageProgress
    from sdbench.tools.compvis.settings import Txt2ImgOptions
    from sdbench.tools.compvis.txt2img import text_to_image

    with ImageProgress(display_for()) as progress:
        output = text_to_image(Txt2ImgOptions.parsed(args), progress)
    say(output.summary)
