"""Euler's method on the probability-flow ODE (Karras, Aittala, Aila and Laine 2022)."""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor

from reference_model.guidance import Denoise
from reference_model.samplers._noise_level import noise_levels, to_latents
from reference_model.samplers._step import Draw, Step, timestep_batch
from reference_model.schedule import Grid

__all__ = ["euler"]


def euler(denoise: Denoise, x: Tensor, grid: Grid, draw: Draw | None = None) -> Iterator[Step]:
    """Walk the grid from noise x [B, C, h, w] to latents, one denoiser call per step.

    Karras et al.'s algorithm 1 without its correction. The start is pure noise at the first sigma:
    y = sigma x, latents sqrt(1 - alpha) x. ``draw`` is not used.
    """
    y = noise_levels(grid, -1)[0] * x
    for index in reversed(range(len(grid.timesteps))):
        sigma, sigma_next = noise_levels(grid, index)
        eps = denoise(to_latents(y, sigma), timestep_batch(grid, index, x))
        pred_x0 = y - sigma * eps
        y = y + (sigma_next - sigma) * eps
        yield Step(to_latents(y, sigma_next), pred_x0, eps)
