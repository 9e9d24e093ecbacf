"""The flags that both commands have, with the names and defaults of the original scripts."""

from __future__ import annotations

import argparse
import math

__all__ = [
    "CHECKER",
    "CKPT",
    "CONFIG",
    "IMG2IMG_OUTDIR",
    "TXT2IMG_OUTDIR",
    "add_checks",
    "add_model",
    "add_output",
    "add_sampling",
    "fraction",
    "positive",
]

PROMPT = "a painting of a virus monster playing guitar"
CONFIG = "configs/stable-diffusion/v1-inference.yaml"
CKPT = "models/ldm/stable-diffusion-v1/model.ckpt"
TXT2IMG_OUTDIR = "outputs/txt2img-samples"
IMG2IMG_OUTDIR = "outputs/img2img-samples"
CHECKER = "CompVis/stable-diffusion-safety-checker"


def add_output(parser: argparse.ArgumentParser, *, outdir: str, n_iter: int, n_samples: int) -> None:
    """Which prompts, how many images, and where they go."""
    parser.add_argument("--prompt", default=PROMPT, help="what to draw (default: %(default)s)")
    parser.add_argument("--from-file", metavar="FILE", help="take the prompts from a file, one a line")
    parser.add_argument("--outdir", metavar="DIR", help=f"where the images go (default: {outdir})")
    parser.add_argument("--skip_grid", action="store_true", help="save no grid")
    parser.add_argument("--skip_save", action="store_true", help="save no single images")
    parser.add_argument(
        "--n_iter", type=positive, default=n_iter, help="so many times over (default: %(default)s)"
    )
    parser.add_argument(
        "--n_samples",
        type=positive,
        default=n_samples,
        help="images of a batch: so many of the prompt, or so many lines of the file (default: %(default)s)",
    )
    parser.add_argument(
        "--n_rows", type=_count, default=0, help="images side by side in the grid (default: --n_samples)"
    )


def add_sampling(parser: argparse.ArgumentParser, *, scale: float) -> None:
    """How the images are sampled."""
    parser.add_argument("--ddim_steps", type=positive, default=50, help="steps (default: %(default)s)")
    parser.add_argument(
        "--ddim_eta",
        type=fraction,
        default=0.0,
        help="noise of each DDIM step, from 0 for none to 1 (default: %(default)s)",
    )
    parser.add_argument(
        "--scale", type=_finite, default=scale, help="guidance scale, 1 for none (default: %(default)s)"
    )
    parser.add_argument("--seed", type=_seed, default=42, help="of all noise (default: %(default)s)")
    parser.add_argument(
        "--precision",
        choices=["full", "autocast"],
        default="autocast",
        help="autocast is half precision on a GPU and full on a CPU (default: %(default)s)",
    )


def add_model(parser: argparse.ArgumentParser) -> None:
    """Which model."""
    parser.add_argument(
        "--ckpt",
        metavar="FILE|NAME",
        help=f"weights: a file, or a name such as shapes-v1-4 (default: {CKPT})",
    )
    parser.add_argument(
        "--config",
        metavar="FILE",
        help=f"the model's YAML (default: {CONFIG}; Stable Diffusion v1 where that is missing)",
    )
    parser.add_argument("--C", type=positive, default=4, help="latent channels (default: %(default)s)")
    parser.add_argument("--f", type=positive, default=8, help="pixels a latent (default: %(default)s)")


def add_checks(parser: argparse.ArgumentParser) -> None:
    """What happens to finished images."""
    parser.add_argument(
        "--safety-checker",
        metavar="auto|off|MODEL",
        default="auto",
        help=f"replace unsafe images by black ones; auto: with {CHECKER}, where it has been downloaded; "
        "MODEL: with this folder or hub id (default: %(default)s)",
    )
    parser.add_argument(
        "--watermark",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="put the invisible watermark on saved images, where its package is installed (default: yes)",
    )


def positive(text: str) -> int:
    """A whole number from 1 on."""
    number = _count(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{number} is less than 1")
    return number


def fraction(text: str) -> float:
    """A number from 0 to 1."""
    number = _finite(text)
    if not 0 <= number <= 1:
        raise argparse.ArgumentTypeError(f"{text} is not within 0..1")
    return number


def _count(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 0 on")
    return int(text)


def _seed(text: str) -> int:
    number = _count(text)
    if number >= 2**32:
        raise argparse.ArgumentTypeError(f"{number} is not below 4294967296")
    return number


def _finite(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number")
    return number
