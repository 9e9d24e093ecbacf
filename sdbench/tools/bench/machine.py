"""What a benchmark runs on: the device, with the model, image size and batch sizes that suit it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from reference_model import LatentDiffusion

__all__ = ["SCALE", "UNCOMPILED", "Bench", "LeftOut", "build_model", "setting_name"]

SCALE = 7.5
"""Guidance scale of every benchmark that makes images."""

UNCOMPILED = "networks are not compiled; use --compile on"


class LeftOut(Exception):  # noqa: N818 - nothing is wrong
    """A part does not apply to this machine or these settings; the message says why."""


@dataclass(frozen=True)
class Bench:
    """Settings of a benchmark.

    Attributes:
        device: Where the networks run.
        image_size: Side of an image in pixels.
        small: Batch size of the single-image parts.
        large: Batch size of a sweep.
        steps: PLMS steps.
        rounds: Timed rounds.
        precision: What all tools compute in.
        compiled: Whether to measure compiled networks too; each takes minutes to compile.
        say: Receives progress messages.
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
    """Return the name of a setting as rows show it."""
    return f"{precision}, {'compiled' if compiled else 'eager'}"


def build_model(bench: Bench) -> LatentDiffusion:
    """Return the embedded family's last checkpoint on a CPU, or a random Stable Diffusion v1 on a GPU."""
    # Imported here: parts that use no model run without the packages that it needs.
    from reference_model import LatentDiffusion, load_checkpoint, shapes
    from reference_model.config import ModelConfig

    if bench.device == "cpu":
        return load_checkpoint(shapes.CHECKPOINTS["shapes-v1-4"], shapes.CONFIG)
    torch.manual_seed(0)
    with torch.device(bench.device):
        return LatentDiffusion(ModelConfig()).eval().requires_grad_(False)
