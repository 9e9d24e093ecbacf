"""Rectified flow (Liu, Gong and Liu 2023; Lipman et al. 2023): its noise levels, and grids along them.

Latents at noise level sigma are x = (1 - sigma) x_0 + sigma eps, and the denoiser predicts the velocity
v = eps - x_0, so that dx / d sigma = v. Its timestep is T sigma, with T = 1000 by convention.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from scipy.special import betaincinv
from torch import Tensor

from reference_model.schedule import Grid, Schedule

__all__ = ["SPACINGS", "FlowGrid", "dynamic_mu", "flow_grid"]

SPACINGS = ("karras", "exponential", "beta")
_RHO = 7.0
_BETA = 0.6


@dataclass(frozen=True)
class FlowGrid(Grid):
    """A flow sampler's path. Step i leads from noise level ``levels[i]`` to ``levels_next[i]``, float64 [N].

    Of the fields of `Grid`, ``alphas`` and ``alphas_prev`` are the squared factors of x_0, (1 - sigma)^2, and
    ``sqrt_one_minus_alphas`` holds the levels, which are the factors of eps.
    """

    levels: Tensor
    levels_next: Tensor


def dynamic_mu(tokens: int) -> float:
    """Return mu for an image of so many latent tokens: linear, from 0.5 at 256 to 1.15 at 4096 (Flux)."""
    return 0.5 + (1.15 - 0.5) * (tokens - 256) / (4096 - 256)


def flow_grid(
    schedule: Schedule,
    steps: int,
    eta: float = 0.0,
    *,
    shift: float = 3.0,
    mu: float | None = None,
    terminal: float | None = None,
    spacing: str | None = None,
) -> FlowGrid:
    """Return ``steps`` noise levels from 1 down to 0: 1, 1 - 1/N, ..., 1/N, shifted, then 0.

    Args:
        schedule: Gives T, the number of training timesteps; its betas have no meaning here.
        steps: Number of steps, 1 to T.
        eta: Must be 0.
        shift: Levels become shift sigma / (1 + (shift - 1) sigma) (Esser et al. 2024, equation 23). 3 is that
            of Stable Diffusion 3; 1 changes nothing.
        mu: If given, replaces the shift by e^mu, as Flux does by resolution (`dynamic_mu`).
        terminal: If given, the levels are stretched so that the last one before 0 is this (LTX-Video).
        spacing: Respace the levels between the first and the last: "karras" (Karras et al. 2022, equation 5,
            rho 7), "exponential", or "beta" (Lee et al. 2024, a Beta(0.6, 0.6) distribution).

    Raises:
        ValueError: An argument is out of range.
    """
    total = schedule.config.timesteps
    if not 1 <= steps <= total:
        raise ValueError(f"steps must lie in 1..{total}, got {steps}")
    if eta:
        raise ValueError(f"eta must be 0 for this sampler, got {eta:g}")
    factor = shift if mu is None else math.exp(mu)
    if not factor > 0:
        raise ValueError(f"shift must be above 0, got {shift:g}")
    even = np.linspace(1, 1 / steps, steps)
    levels = factor * even / (1 + (factor - 1) * even)
    if terminal is not None:
        if not 0 < terminal < 1 or steps == 1:
            raise ValueError(f"terminal must lie between 0 and 1 and needs 2 steps, got {terminal:g}")
        levels = 1 - (1 - levels) * (1 - terminal) / (1 - levels[-1])
    if spacing is not None:
        levels = _respaced(levels, spacing)
    return _grid(torch.from_numpy(levels[::-1].copy()), total)


def _respaced(levels: np.ndarray, spacing: str) -> np.ndarray:
    first, last, ramp = levels[0], levels[-1], np.linspace(0, 1, len(levels))
    if spacing == "karras":
        ends = first ** (1 / _RHO), last ** (1 / _RHO)
        return np.asarray((ends[0] + ramp * (ends[1] - ends[0])) ** _RHO)
    if spacing == "exponential":
        return np.exp(np.log(first) + ramp * (np.log(last) - np.log(first)))
    if spacing == "beta":
        return np.asarray(last + betaincinv(_BETA, _BETA, 1 - ramp) * (first - last))
    raise ValueError(f"spacing {spacing!r}; known: {', '.join(SPACINGS)}")


def _grid(levels: Tensor, total: int) -> FlowGrid:
    """Return the grid of ascending levels [N], which ends at 0."""
    ends = torch.cat([torch.zeros(1, dtype=torch.float64), levels[:-1]])
    return FlowGrid(
        timesteps=(total * levels).float(),
        alphas=(1 - levels) ** 2,
        alphas_prev=(1 - ends) ** 2,
        sigmas=torch.zeros_like(levels),
        sqrt_one_minus_alphas=levels,
        levels=levels,
        levels_next=ends,
    )
