"""The noise schedule and the grids of timesteps that samplers walk along."""

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

    All of shape [N]. ``timesteps`` int64 in 1..T-1; ``alphas`` and ``sqrt_one_minus_alphas`` float32;
    ``alphas_prev`` and ``sigmas`` float64, as the original keeps them.
    """

    timesteps: Tensor
    alphas: Tensor
    alphas_prev: Tensor
    sigmas: Tensor
    sqrt_one_minus_alphas: Tensor


@dataclass(frozen=True)
class Schedule:
    """Scaled-linear variance schedule (Rombach et al. 2022, the square roots of beta are linear)."""

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

    def grid(self, steps: int, eta: float = 0.0) -> Grid:
        """Uniform DDIM grid (Song et al. 2021, appendix D.3), with the original's offset of one.

        The stride is T // steps, so a number of steps that does not divide T gives more points than
        asked for (30 gives 31 for T = 1000). ``eta`` in [0, 1] scales the noise of each step (equation 16).

        Raises:
            ValueError: steps outside 1..T, or a stride whose last point lies past the schedule.
        """
        total = self.config.timesteps
        if not 1 <= steps <= total:
            raise ValueError(f"steps must lie in 1..{total}, got {steps}")
        timesteps = torch.arange(0, total, total // steps) + 1
        if int(timesteps[-1]) >= total:
            raise ValueError(
                f"steps={steps} gives a last timestep of {int(timesteps[-1])}, past the schedule's end "
                f"{total - 1}; choose another number of steps, for example 50"
            )
        # The original indexes its float32 buffer, takes this reciprocal in float32 and goes on in float64.
        cumprod = self.alphas_cumprod.to(torch.float32)
        alphas = cumprod[timesteps]
        alphas_prev = torch.cat([cumprod[:1], alphas[:-1]]).double()
        inverse = (1 - alphas).reciprocal().double()
        sigmas = eta * _sqrt((1 - alphas_prev) * inverse * (1 - alphas.double() / alphas_prev))
        return Grid(timesteps, alphas, alphas_prev, sigmas, _sqrt(1 - alphas))


def _sqrt(values: Tensor) -> Tensor:
    """NumPy's root is correctly rounded on every CPU; torch's vectorised one is not."""
    return torch.from_numpy(np.sqrt(values.numpy()))
