"""What is measured on: the device with the model, image size and batches that suit it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch

from reference_model import LatentDiffusion, load_checkpoint, shapes
from reference_model.config import ModelConfig

__all__ = ["SCALE", "UNCOMPILED", "Bench", "LeftOut", "build_model", "setting_name"]

SCALE = 7.5
"""Of guidance, wherever images are made."""

UNCOMPILED = "networks are not compiled here; --compile on does"


class LeftOut(Exception):  # noqa: N818 - nothing is wrong
    """A part does not apply to this machine or these settings; the message says why."""


@dataclass(frozen=True)
class Bench:
    """Settings of a benchmark; `say` is told what is under way.

    image_size in pixels; small, large: batches; precision: what everybody computes in; compiled: whether
    compiled networks are measured too, minutes of compiling each.
    """

    device: str
    image_size: int
    small: int
    large: int
    steps: int
    rounds: int
    precision: str
    compiled: bool
    say: Callable[[str], None]


def setting_name(precision: str, *, compiled: bool) -> str:
    """How rows call a setting."""
    return f"{precision}, {'compiled' if compiled else 'eager'}"


def build_model(bench: Bench) -> LatentDiffusion:
    """On a CPU the last checkpoint of the embedded family; on a GPU Stable Diffusion v1, random weights."""
    if bench.device == "cpu":
        return load_checkpoint(shapes.CHECKPOINTS["shapes-v1-4"], shapes.CONFIG)
    torch.manual_seed(0)
    with torch.device(bench.device):
        return LatentDiffusion(ModelConfig()).eval().requires_grad_(False)
