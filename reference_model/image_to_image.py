"""From an image to variations of it: SDEdit (Meng et al. 2022) with DDIM as the way back.

The image is encoded, noised to a timestep that the strength chooses, and denoised from there.
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
    """Both sides of ``size`` cut to the next lower multiple."""
    first, second = size
    return first - first % multiple, second - second % multiple


def image_tensor(image: Image.Image, size: tuple[int, int]) -> Tensor:
    """A picture resized to ``size`` (width, height) with Lanczos' filter -> [1, 3, H, W] in [-1, 1]."""
    resized = image.convert("RGB").resize(size, resample=Image.Resampling.LANCZOS)
    unit = torch.from_numpy(np.asarray(resized, dtype=np.float32) / 255.0)
    return 2.0 * unit.permute(2, 0, 1)[None] - 1.0


@torch.inference_mode()
def encode_init(model: LatentDiffusion, images: Tensor, posterior_noise: Tensor) -> Tensor:
    """Images [B, 3, H, W] in [-1, 1] -> scaled latents [B, C, h, w], sampled from the posterior.

    ``posterior_noise`` [B, C, h, w] is standard normal; it weighs little, since the posterior is narrow.
    """
    posterior = model.encode(images.to(model.device))
    return model.config.scale_factor * (posterior.mean + posterior.std * posterior_noise.to(model.device))


def steps_to_run(strength: float, steps: int) -> int:
    """How many of the last ``steps`` are run at a strength in [0, 1]; fractions are cut off.

    Raises:
        ValueError: a strength outside [0, 1].
    """
    if not 0.0 <= strength <= 1.0:
        raise ValueError(f"strength must lie in 0..1, got {strength:g}")
    return int(strength * steps)


def first_steps(grid: Grid, count: int) -> Grid:
    """The ``count`` lowest timesteps of a grid: the part that is walked last."""
    return replace(grid, **{field.name: getattr(grid, field.name)[:count] for field in fields(grid)})


def stochastic_encode(z: Tensor, grid: Grid, count: int, noise: Tensor) -> Tensor:
    """Noise latents z [B, C, h, w] to where ``count`` steps of the grid begin (Song et al. 2021, equation 4).

    The original takes the grid point above the one where denoising begins. At the full count there is
    none (it fails there), and the last point is taken.
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
    """Variations of scaled latents z [B, C, h, w] -> uint8 [B, H, W, 3], on the model's device.

    Shapes: context [B, L, D]; uncond_context [1, L, D]. ``draw`` gives standard normal tensors of z's
    shape: the one that z is noised with, then one per step where ``eta`` is positive. ``on_step`` is
    told (steps done, steps in all) after each step.

    Raises:
        ValueError: a strength outside [0, 1], steps that the schedule does not offer, images that are
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
