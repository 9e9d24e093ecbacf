"""Grids whose timesteps are evenly spaced between both ends of the schedule.

Each has exactly the requested number of steps. All are deterministic: eta must be 0.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from reference_model.schedule import Grid, Schedule

__all__ = ["interpolated_grid", "linspace_grid", "rounded_grid"]


def interpolated_grid(schedule: Schedule, steps: int, eta: float = 0.0) -> Grid:
    """T-1, ..., 0 in ``steps`` equal strides, not rounded; the walk ends at timestep 0.

    Between two timesteps of the schedule, log alpha is interpolated linearly (Lu et al. 2022, "DPM-Solver",
    on discrete-time models). The continuous times of that paper are (timestep + 1) / T.

    Raises:
        ValueError: steps are outside 1..T, or eta is not 0.
    """
    total = _checked(schedule, steps, eta, schedule.config.timesteps)
    nodes = np.linspace(0, total - 1, steps + 1)
    alphas = np.exp(np.interp(nodes, np.arange(total), np.log(schedule.alphas_cumprod.numpy())))
    return _grid(nodes[1:].astype(np.float32), alphas[1:], end=alphas[0])


def rounded_grid(schedule: Schedule, steps: int, eta: float = 0.0) -> Grid:
    """Like `interpolated_grid` with rounded timesteps, but the walk ends at latents without noise.

    Raises:
        ValueError: steps are outside 1..T-1 (more would repeat a timestep), or eta is not 0.
    """
    total = _checked(schedule, steps, eta, schedule.config.timesteps - 1) + 1
    timesteps = np.linspace(0, total - 1, steps + 1).round().astype(np.int64)[1:]
    return _grid(timesteps, schedule.alphas_cumprod.numpy()[timesteps], end=1.0)


def linspace_grid(schedule: Schedule, steps: int, eta: float = 0.0) -> Grid:
    """``steps`` evenly spaced timesteps from T-1 to 0 inclusive, not rounded; then latents without noise.

    Between two timesteps of the schedule, sigma = sqrt((1 - alpha) / alpha) is interpolated linearly. A
    single step starts at T-1.

    Raises:
        ValueError: steps are outside 1..T, or eta is not 0.
    """
    total = _checked(schedule, steps, eta, schedule.config.timesteps)
    timesteps = np.linspace(total - 1, 0, steps)[::-1]
    alphas = schedule.alphas_cumprod.numpy()
    sigmas = np.interp(timesteps, np.arange(total), np.sqrt((1 - alphas) / alphas))
    return _grid(timesteps.astype(np.float32), 1 / (1 + sigmas**2), end=1.0)


def _checked(schedule: Schedule, steps: int, eta: float, most: int) -> int:
    if not 1 <= steps <= most:
        raise ValueError(f"steps must lie in 1..{most}, got {steps}")
    if eta:
        raise ValueError(f"eta must be 0 for this sampler, got {eta:g}")
    return most


def _grid(timesteps: np.ndarray, alphas: np.ndarray, end: float) -> Grid:
    power: Tensor = torch.from_numpy(alphas)
    return Grid(
        timesteps=torch.from_numpy(timesteps),
        alphas=power,
        alphas_prev=torch.cat([torch.tensor([end], dtype=torch.float64), power[:-1]]),
        sigmas=torch.zeros_like(power),
        sqrt_one_minus_alphas=(1 - power).sqrt(),
    )
