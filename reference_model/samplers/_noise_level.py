"""Sampling in the coordinates of Karras et al. 2022: y = x / sqrt(alpha), so that y = x_0 + sigma eps.

In these coordinates the probability-flow ODE is dy / d sigma = eps.
"""

from __future__ import annotations

from torch import Tensor

from reference_model.schedule import Grid

__all__ = ["noise_levels", "to_latents"]


def noise_levels(grid: Grid, index: int) -> tuple[Tensor, Tensor]:
    """Sigma at the start and at the end of step ``index`` of the grid, float64 scalars."""
    start, end = ((1 - a) / a for a in (grid.alphas[index].double(), grid.alphas_prev[index]))
    return start.sqrt(), end.sqrt()


def to_latents(y: Tensor, sigma: Tensor) -> Tensor:
    """Latents x [B, C, h, w] of bounded variance, as the denoiser expects them."""
    return y / (1 + sigma**2).sqrt()
