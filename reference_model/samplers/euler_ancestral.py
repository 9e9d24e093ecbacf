"""Ancestral sampling in sigma (Song, Sohl-Dickstein et al. 2021, "Score-based generative modeling")."""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor

from reference_model.guidance import Denoise
from reference_model.samplers._noise_level import noise_levels, to_latents
from reference_model.samplers._step import Draw, Step, timestep_batch
from reference_model.schedule import Grid

__all__ = ["euler_ancestral"]


def euler_ancestral(denoise: Denoise, x: Tensor, grid: Grid, draw: Draw | None = None) -> Iterator[Step]:
    """Walk the grid from noise x [B, C, h, w] to latents, one denoiser call per step.

    Each step goes below the next sigma and returns to it with fresh noise, so that both variances add up
    to that of the forward process (appendix F, variance exploding). The start is that of `euler`.

    Raises:
        ValueError: ``draw`` is None.
    """
    if draw is None:
        raise ValueError("ancestral sampling needs step noise")
    y = noise_levels(grid, -1)[0] * x
    for index in reversed(range(len(grid.timesteps))):
        sigma, sigma_next = noise_levels(grid, index)
        eps = denoise(to_latents(y, sigma), timestep_batch(grid, index, x))
        pred_x0 = y - sigma * eps
        fresh = sigma_next / sigma * (sigma**2 - sigma_next**2).sqrt()
        y = pred_x0 + sigma_next**2 / sigma * eps
        if fresh > 0:
            y = y + fresh * draw().to(x)
        yield Step(to_latents(y, sigma_next), pred_x0, eps)
