"""Generate variations of an image: SDEdit (Meng et al. 2022), denoising with DDIM.

The image is encoded, noised to a timestep that depends on the strength, and denoised from there.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from reference_model.guidance import guided
from reference_model.latent_diffusion import LatentDiffusion
from reference_model.pipeline import to_pixels
from reference_model.samplers import Draw
from reference_model.samplers.ddim import ddim
from reference_model.schedule import Grid

__all__ = [
    "encode_init",
    "first_steps",
    "image_tensor",
    "rounded_down",
    "steps_to_run",
    "stochastic_encode",
    "vary",
]


def rounded_down(size: tuple[int, int], multiple: int) -> tuple[int, int]:
    """Round both sides of ``size`` down to multiples of ``multiple``."""
    first, second = size
    return first - first % multiple, second - second % multiple


def image_tensor(image: Image.Image, size: tuple[int, int]) -> Tensor:
    """Resize an image to ``size`` (width, height) with a Lanczos filter -> [1, 3, H, W] in [-1, 1]."""
    resized = image.convert("RGB").resize(size, resample=Image.Resampling.LANCZOS)
    unit = torch.from_numpy(np.asarray(resized, dtype=np.float32) / 255.0)
    return 2.0 * unit.permute(2, 0, 1)[None] - 1.0


@torch.inference_mode()
def encode_init(model: LatentDiffusion, images: Tensor, posterior_noise: Tensor) -> Tensor:
    """Images [B, 3, H, W] in [-1, 1] -> scaled latents [B, C, h, w], sampled from the posterior.

    ``posterior_noise`` [B, C, h, w] is standard normal; it matters little, because the posterior is narrow.
    """
    posterior = model.encode(images.to(model.device))
    return model.config.scale_factor * (posterior.mean + posterior.std * posterior_noise.to(model.device))


def steps_to_run(strength: float, steps: int) -> int:
    """Number of steps, out of ``steps``, to run at a strength in [0, 1]; rounded down.

    Raises:
        ValueError: the strength is outside [0, 1].
    """
    if not 0.0 <= strength <= 1.0:
        raise ValueError(f"strength must lie in 0..1, got {strength:g}")
    return int(strength * steps)


def first_steps(grid: Grid, count: int) -> Grid:
    """The ``count`` lowest timesteps of a grid: the last part of the walk."""
    return replace(grid, **{field.name: getattr(grid, field.name)[:count] for field in fields(grid)})


def stochastic_encode(z: Tensor, grid: Grid, count: int, noise: Tensor) -> Tensor:
    """Noise latents z [B, C, h, w] for the last ``count`` steps of the walk (Song et al. 2021, equation 4).

    As in the original, the noise level is one grid point above the one at which denoising begins. At the full
    count, no such point exists: the original fails, and this function uses the last point.
    """
    index = min(count, len(grid.timesteps) - 1)
    return grid.alphas[index].sqrt() * z + grid.sqrt_one_minus_alphas[index] * noise


@torch.inference_mode()
def vary(
    model: LatentDiffusion,
    context: Tensor,
    uncond_context: Tensor,
    z: Tensor,
    *,
    strength: float,
    draw: Draw,
    steps: int = 50,
    guidance_scale: float = 5.0,
    eta: float = 0.0,
    on_step: Callable[[int, int], None] | None = None,
) -> Tensor:
    """Generate variations of scaled latents z [B, C, h, w] -> uint8 [B, H, W, 3], on the model's device.

    Shapes: context [B, L, D]; uncond_context [1, L, D]. ``draw`` gives standard normal tensors of z's
    shape: first the one that noises z, then one per step if ``eta`` is positive. ``on_step`` is called with
    (steps done, total steps) after each step.

    Raises:
        ValueError: the strength is outside [0, 1], the schedule does not support these steps, or an image is
            not finite.
    """
    grid = model.schedule.grid(steps, eta)
    count = steps_to_run(strength, steps)
    x = stochastic_encode(z, grid, count, draw().to(z))
    denoise = guided(model.unet, context, uncond_context, guidance_scale)
    for done, step in enumerate(ddim(denoise, x, first_steps(grid, count), draw), start=1):
        x = step.x
        if on_step is not None:
            on_step(done, count)
    return to_pixels(model.decode(x))
