"""Exponential integration of the predicted x_0 in the half log-SNR (Lu et al. 2022b, "DPM-Solver++").

lambda = log(sqrt(alpha) / sqrt(1 - alpha)). A step is exact if the predicted x_0 is constant along it.
"""

from __future__ import annotations

from torch import Tensor

from reference_model.schedule import Grid

__all__ = ["exponential_step", "half_log_snr", "predict_x0"]


def half_log_snr(alpha: Tensor) -> Tensor:
    """Lambda for a signal power alpha, float64; infinite if no noise is left."""
    alpha = alpha.double()
    return (alpha / (1 - alpha)).log() / 2


def predict_x0(grid: Grid, index: int, x: Tensor, eps: Tensor) -> Tensor:
    """Clean latents predicted from x [B, C, h, w] at timestep ``index`` of the grid."""
    alpha = grid.alphas[index].double()
    return (x - (1 - alpha).sqrt() * eps) / alpha.sqrt()


def exponential_step(grid: Grid, index: int, x: Tensor, x0: Tensor) -> Tensor:
    """Move x [B, C, h, w] along step ``index`` of the grid, towards x0."""
    alpha, alpha_next = grid.alphas[index].double(), grid.alphas_prev[index]
    h = half_log_snr(alpha_next) - half_log_snr(alpha)
    shrink = ((1 - alpha_next) / (1 - alpha)).sqrt()
    return shrink * x - alpha_next.sqrt() * (-h).expm1() * x0
