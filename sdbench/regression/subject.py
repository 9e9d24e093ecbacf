"""What is under test: a sampler, and the parts of a pipeline that can go wrong beside it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from torch import Tensor

from reference_model.guidance import Denoise, guided
from reference_model.noise import StepNoise
from reference_model.pipeline import to_pixels
from reference_model.samplers import Draw, Sampler

__all__ = ["Guide", "Subject", "Unet"]

Unet = Callable[[Tensor, Tensor, Tensor], Tensor]
"""(x [B, C, h, w], timesteps [B], context [B, L, D]) -> eps [B, C, h, w]."""

Guide = Callable[[Unet, Tensor, Tensor, float], Denoise]
"""(unet, context [B, L, D], uncond_context [1, L, D], guidance scale) -> the denoiser that a sampler sees."""


@dataclass(frozen=True)
class Subject:
    """A sampler with its surroundings, which are the reference model's unless told otherwise.

    ``step_noise`` makes the source of fresh noise of a batch from (seed, prompt ids, shape of one image).
    ``predicts``: its pred_x0 is the method's own word; where it is not, only the latents are compared.
    """

    sampler: Sampler
    guide: Guide = guided
    step_noise: Callable[[int, Sequence[str], Sequence[int]], Draw] = StepNoise
    to_pixels: Callable[[Tensor], Tensor] = to_pixels
    batch_size: int = 512
    predicts: bool = True
