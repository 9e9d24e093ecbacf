"""What a sampler is: a function that walks, and the grid that it walks along."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from reference_model.guidance import Denoise
from reference_model.samplers._step import Draw, Step
from reference_model.schedule import Grid, Schedule

__all__ = ["Sampler", "Walk", "call_times", "nfe"]

Walk = Callable[[Denoise, Tensor, Grid, Draw | None], Iterator[Step]]
"""(denoise, x [B, C, h, w], grid, draw) -> the state after every step; x is standard normal noise."""


@dataclass(frozen=True)
class Sampler:
    """A sampler with the grid that it is made for.

    Attributes:
        run: yields the state after every step.
        grid: makes the grid for (schedule, steps, eta), or raises ValueError if they do not fit.
        takes_eta: whether eta, the share of fresh noise at each step, may differ from 0.
        order: order of convergence at eta = 0; None if the method follows no ODE or promises no order.
        flow: whether the denoiser predicts the velocity of rectified flow, not noise.
    """

    run: Walk
    grid: Callable[[Schedule, int, float], Grid]
    takes_eta: bool = False
    order: int | None = None
    flow: bool = False


def nfe(sampler: Sampler, grid: Grid) -> int:
    """Number of denoiser calls per image along a grid; guidance doubles the UNet evaluations."""
    return len(call_times(sampler, grid))


def call_times(sampler: Sampler, grid: Grid) -> list[float]:
    """Return the timestep of each denoiser call along a grid.

    Walks the grid with a denoiser that always predicts zero noise.
    """
    times: list[float] = []

    def denoise(x: Tensor, t: Tensor) -> Tensor:
        times.append(float(t[0]))
        return torch.zeros_like(x)

    x = torch.ones(1, 4, 8, 8)
    for _ in sampler.run(denoise, x, grid, lambda: torch.zeros_like(x)):
        pass
    return times
