"""The flags that both commands share, with the names and defaults of the original scripts."""

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
    """Add the flags for the prompts, the number of images and the output folder."""
    parser.add_argument("--prompt", default=PROMPT, help="what to draw (default: %(default)s)")
    parser.add_argument("--from-file", metavar="FILE", help="read the prompts from a file, one per line")
    parser.add_argument("--outdir", metavar="DIR", help=f"folder for the images (default: {outdir})")
    parser.add_argument("--skip_grid", action="store_true", help="do not save a grid")
    parser.add_argument("--skip_save", action="store_true", help="do not save single images")
    parser.add_argument(
        "--n_iter", type=positive, default=n_iter, help="how often to make each batch (default: %(default)s)"
    )
    parser.add_argument(
        "--n_samples",
        type=positive,
        default=n_samples,
        help="batch size: images of the prompt, or lines of the file, per batch (default: %(default)s)",
    )
    parser.add_argument(
        "--n_rows", type=_count, default=0, help="images per row of the grid (default: --n_samples)"
    )


def add_sampling(parser: argparse.ArgumentParser, *, scale: float) -> None:
    """Add the flags for sampling."""
    parser.add_argument(
        "--ddim_steps", type=positive, default=50, help="sampling steps (default: %(default)s)"
    )
    parser.add_argument(
        "--ddim_eta",
        type=fraction,
        default=0.0,
        help="noise added in each DDIM step, from 0 (none) to 1 (default: %(default)s)",
    )
    parser.add_argument(
        "--scale", type=_finite, default=scale, help="guidance scale; 1 is no guidance (default: %(default)s)"
    )
    parser.add_argument("--seed", type=_seed, default=42, help="seed of all noise (default: %(default)s)")
    parser.add_argument(
        "--precision",
        choices=["full", "autocast"],
        default="autocast",
        help="full: float32; autocast: half precision on a GPU, float32 on a CPU (default: %(default)s)",
    )


def add_model(parser: argparse.ArgumentParser) -> None:
    """Add the flags for the model."""
    parser.add_argument(
        "--ckpt",
        metavar="FILE|NAME",
        help=f"weights: a file or folder, or a name such as shapes-v1-4 (default: {CKPT})",
    )
    parser.add_argument(
        "--config",
        metavar="FILE",
        help=f"the model's YAML (default: {CONFIG}; Stable Diffusion v1 if that is missing)",
    )
    parser.add_argument("--C", type=positive, default=4, help="latent channels (default: %(default)s)")
    parser.add_argument(
        "--f", type=positive, default=8, help="pixels per latent along a side (default: %(default)s)"
    )


def add_checks(parser: argparse.ArgumentParser) -> None:
    """Add the flags for the safety checker and the watermark."""
    parser.add_argument(
        "--safety-checker",
        metavar="auto|off|MODEL",
        default="auto",
        help=f"replace unsafe images with black ones; auto: use {CHECKER} if it has been downloaded; "
        "MODEL: use this folder or hub id (default: %(default)s)",
    )
    parser.add_argument(
        "--watermark",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="put the invisible watermark on saved images if its package is installed (default: yes)",
    )


def positive(text: str) -> int:
    """Parse a whole number of at least 1."""
    number = _count(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{number} is less than 1")
    return number


def fraction(text: str) -> float:
    """Parse a number from 0 to 1."""
    number = _finite(text)
    if not 0 <= number <= 1:
        raise argparse.ArgumentTypeError(f"{text} is not between 0 and 1")
    return number


def _count(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least 0")
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
