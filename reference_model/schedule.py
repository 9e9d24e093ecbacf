"""The noise schedule, and the grids of timesteps along which samplers walk."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from reference_model.config import ScheduleConfig

__all__ = ["Grid", "Schedule"]


@dataclass(frozen=True)
class Grid:
    """A sampler's path, in ascending time; samplers walk it from the end.

    All have shape [N]. Step i leads from ``timesteps[i]``, with signal power ``alphas[i]``, to the power
    ``alphas_prev[i]``: that of timestep i-1, or the one at the end of the walk. ``sigmas`` is the fresh noise
    of each step. Types: ``timesteps`` int64 in 0..T-1, or float32 if they lie between those of the schedule;
    ``alphas_prev`` and ``sigmas`` float64; ``alphas`` and ``sqrt_one_minus_alphas`` float32 on the DDIM
    grid, as in the original, else float64.
    """

    timesteps: Tensor
    alphas: Tensor
    alphas_prev: Tensor
    sigmas: Tensor
    sqrt_one_minus_alphas: Tensor


@dataclass(frozen=True)
class Schedule:
    """Scaled-linear variance schedule: the square roots of beta are linear (Rombach et al. 2022)."""

    config: ScheduleConfig

    @cached_property
    def betas(self) -> Tensor:
        """Variances of the forward process, float64 [T]."""
        c = self.config
        return torch.linspace(c.linear_start**0.5, c.linear_end**0.5, c.timesteps, dtype=torch.float64) ** 2

    @cached_property
    def alphas_cumprod(self) -> Tensor:
        """Signal power after each timestep, float64 [T] (Ho et al. 2020, section 2)."""
        return torch.cumprod(1.0 - self.betas, dim=0)

    def passed(self, timestep: float) -> float:
        """Return the share of the schedule that has passed at a timestep of a walk; 0 is pure noise."""
        return max(0.0, 1 - (timestep + 1) / self.config.timesteps)

    def grid(self, steps: int, eta: float = 0.0) -> Grid:
        """Uniform DDIM grid (Song et al. 2021, appendix D.3), with the original's offset of one.

        The stride is T // steps, so a number of steps that does not divide T gives more points than
        requested (30 gives 31 for T = 1000). ``eta`` in [0, 1] scales the noise of each step (equation 16).

        Raises:
            ValueError: steps are outside 1..T, or the last point lies past the end of the schedule.
        """
        total = self.config.timesteps
        if not 1 <= steps <= total:
            raise ValueError(f"steps must lie in 1..{total}, got {steps}")
        if self._last_timestep(steps) >= total:
            fitting = (other for other in range(1, total) if self._last_timestep(other) < total)
            nearest = min(fitting, key=lambda other: abs(other - steps))
            raise ValueError(
                f"steps={steps} gives a last timestep of {self._last_timestep(steps)}, past the schedule's "
                f"end {total - 1}; the nearest number of steps that fits is {nearest}"
            )
        timesteps = torch.arange(0, total, total // steps) + 1
        # The original indexes its float32 buffer, takes this reciprocal in float32 and continues in float64.
        cumprod = self.alphas_cumprod.to(torch.float32)
        alphas = cumprod[timesteps]
        alphas_prev = torch.cat([cumprod[:1], alphas[:-1]]).double()
        inverse = (1 - alphas).reciprocal().double()
        sigmas = eta * _sqrt((1 - alphas_prev) * inverse * (1 - alphas.double() / alphas_prev))
        return Grid(timesteps, alphas, alphas_prev, sigmas, _sqrt(1 - alphas))

    def _last_timestep(self, steps: int) -> int:
        stride = self.config.timesteps // steps
        return (self.config.timesteps - 1) // stride * stride + 1


def _sqrt(values: Tensor) -> Tensor:
    """Square root by NumPy: correctly rounded on every CPU, unlike torch's vectorised one."""
    return torch.from_numpy(np.sqrt(values.numpy()))
