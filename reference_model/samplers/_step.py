"""The state that every sampler yields, and the arithmetic that DDIM and PLMS share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from reference_model.schedule import Grid

__all__ = ["Draw", "Step", "ddim_update", "timestep_batch"]

Draw = Callable[[], Tensor]
"""Draws the next standard normal tensor, in the shape of the latents."""


@dataclass(frozen=True)
class Step:
    """State after one step: latents, predicted clean latents and the denoiser's eps, all [B, C, h, w]."""

    x: Tensor
    pred_x0: Tensor
    eps: Tensor


def timestep_batch(grid: Grid, index: int, x: Tensor) -> Tensor:
    """Timestep ``index`` of the grid for every image of the batch, [B], int64 or float32."""
    return grid.timesteps[index].to(x.device).expand(x.shape[0])


def ddim_update(
    grid: Grid, index: int, x: Tensor, eps: Tensor, draw: Draw | None = None
) -> tuple[Tensor, Tensor]:
    """One step along the grid -> (x at the previous timestep, predicted x_0).

    Song et al. 2021, equation 12. Coefficients are rounded to float32 before their roots are taken,
    as in the original. ``draw`` is called only if sigma is positive.
    """
    alpha, alpha_prev, sigma = (
        table[index].to(torch.float32) for table in (grid.alphas, grid.alphas_prev, grid.sigmas)
    )
    pred_x0 = (x - grid.sqrt_one_minus_alphas[index] * eps) / alpha.sqrt()
    x_prev = alpha_prev.sqrt() * pred_x0 + (1.0 - alpha_prev - sigma**2).sqrt() * eps
    if sigma > 0:
        if draw is None:
            raise ValueError("a stochastic grid (eta > 0) needs step noise")
        x_prev = x_prev + sigma * draw().to(x)
    return x_prev, pred_x0
