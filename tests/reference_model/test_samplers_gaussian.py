"""Samplers on normally distributed data, for which the best denoiser and the exact answer are known.

For x_0 ~ N(mu, s^2) latents of signal power a are N(sqrt(a) mu, a s^2 + 1 - a). The best guess of eps is
linear in x, and the probability-flow ODE leaves each point at its quantile.
"""

from __future__ import annotations

import math

import pytest
import torch

from reference_model.config import ScheduleConfig
from reference_model.samplers import SAMPLERS
from reference_model.schedule import Schedule

SCHEDULE = Schedule(ScheduleConfig())
MU, STD = 0.3, 0.8
ORDERS = {name: sampler.order for name, sampler in SAMPLERS.items() if sampler.order is not None}


def spread(power):
    return (power * STD**2 + 1 - power).sqrt()


def denoiser(grid):
    """The best guess of eps, for the signal powers of the grid."""

    def denoise(x, t):
        power = grid.alphas[(grid.timesteps - t[0]).abs().argmin()].double()
        return (1 - power).sqrt() * (x - power.sqrt() * MU) / spread(power) ** 2

    return denoise


def powers(grid):
    """Signal power at the start of the walk and after each step."""
    return torch.cat([grid.alphas.double().flip(0), grid.alphas_prev[:1]])


def errors(name, steps):
    """Distance to the exact solution of the ODE after each step, from one point."""
    grid = SAMPLERS[name].grid(SCHEDULE, steps, 0.0)
    noise = torch.ones(1, 1, 1, 1, dtype=torch.float64)
    path = powers(grid)
    start = noise * (1 - path[0]).sqrt() if name in ("euler", "heun") else noise
    quantile = (start - path[0].sqrt() * MU) / spread(path[0])
    walk = SAMPLERS[name].run(denoiser(grid), noise, grid, None)
    return [
        abs(float(step.x - (power.sqrt() * MU + quantile * spread(power))))
        for step, power in zip(walk, path[1:], strict=True)
    ]


@pytest.mark.parametrize("name", ORDERS)
def test_order_of_convergence(name):
    """Measured half-way: timesteps near the data are too far apart in log-SNR to show any order."""
    coarse, fine = (errors(name, steps)[steps // 2 - 1] for steps in (40, 200))
    order = math.log(coarse / fine) / math.log(200 / 40)
    assert ORDERS[name] - 0.12 < order < ORDERS[name] + 0.35


@pytest.mark.parametrize("name", ORDERS)
def test_the_walk_ends_at_the_exact_answer(name):
    coarse, fine = (errors(name, steps)[-1] for steps in (20, 200))
    assert fine < coarse / 5
    assert fine < 8e-3


@pytest.mark.parametrize(
    ("name", "eta"), [("ddim", 1.0), ("ddim", 0.5), ("ddim", 0.0), ("euler-ancestral", 0.0)]
)
def test_mean_and_spread_of_many_samples(name, eta):
    generator = torch.Generator().manual_seed(1)

    def draw():
        return torch.randn(50_000, 1, 1, 1, generator=generator, dtype=torch.float64)

    grid = SAMPLERS[name].grid(SCHEDULE, 250, eta)
    noise = draw()
    *_, last = SAMPLERS[name].run(denoiser(grid), noise, grid, draw)
    standard_error = STD / math.sqrt(noise.numel())
    # The remaining error: 250 steps are finitely many, and x_T has mean 0.
    assert float(last.x.mean()) == pytest.approx(MU, abs=4 * standard_error + 0.01)
    assert float(last.x.std()) == pytest.approx(STD, abs=4 * standard_error + 0.01)
