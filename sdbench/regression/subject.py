"""What is under test: a sampler and the other parts of a pipeline that can be wrong."""

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
"""(unet, context [B, L, D], uncond_context [1, L, D], guidance scale) -> the denoiser of the sampler."""


@dataclass(frozen=True)
class Subject:
    """A sampler with the parts of a pipeline around it, by default those of the reference model.

    Attributes:
        sampler: The sampler.
        guide: Combines conditional and unconditional predictions.
        step_noise: Makes the source of a batch's fresh noise from (seed, prompt ids, shape of one image).
        to_pixels: Converts decoded images to 8 bits.
        batch_size: Prompts per batch.
        predicts: Whether the sampler's pred_x0 is its own prediction; if not, only latents are compared.
    """

    sampler: Sampler
    guide: Guide = guided
    step_noise: Callable[[int, Sequence[str], Sequence[int]], Draw] = StepNoise
    to_pixels: Callable[[Tensor], Tensor] = to_pixels
    batch_size: int = 512
    predicts: bool = True
