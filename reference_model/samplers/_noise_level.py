"""Sampling in the coordinates of Karras et al. 2022: y = x / sqrt(alpha), so that y = x_0 + sigma eps.

With them the probability-flow ODE reads dy / d sigma = eps.
"""

from __future__ import annotations

from torch import Tensor

from reference_model.schedule import Grid

__all__ = ["noise_levels", "to_latents"]


def noise_levels(grid: Grid, index: int) -> tuple[Tensor, Tensor]:
    """Sigma where step ``index`` of the grid starts and where it ends, scalars in float64."""
    start, end = ((1 - a) / a for a in (grid.alphas[index].double(), grid.alphas_prev[index]))
    return start.sqrt(), end.sqrt()


def to_latents(y: Tensor, sigma: Tensor) -> Tensor:
    """Latents x [B, C, h, w] of bounded variance, as the denoiser takes them."""
    return y / (1 + sigma**2).sqrt()
