"""Denoising diffusion implicit models (Song, Meng and Ermon 2021)."""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor

from reference_model.guidance import Denoise
from reference_model.samplers._step import Draw, Step, ddim_update, timestep_batch
from reference_model.schedule import Grid

__all__ = ["ddim"]


def ddim(denoise: Denoise, x: Tensor, grid: Grid, draw: Draw | None = None) -> Iterator[Step]:
    """Walk the grid from noise x [B, C, h, w] to latents, one denoiser call per step (equation 12)."""
    for index in reversed(range(len(grid.timesteps))):
        eps = denoise(x, timestep_batch(grid, index, x))
        x, pred_x0 = ddim_update(grid, index, x, eps, draw)
        yield Step(x, pred_x0, eps)
