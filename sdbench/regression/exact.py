"""Samplers against exact answers: normally distributed data, where the ODE has a closed solution.

The probability-flow ODE leaves each point at its quantile: from (x - sqrt(a) m) / spread(a) at the first
timestep to the same at the last. The walk is tied to it where the denoiser is first asked, so that every
sampler's own start counts. No baseline is needed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from reference_model.samplers import SAMPLERS, Sampler, nfe
from sdbench.regression.testbeds import GaussianTestbed, signal_power

__all__ = ["ORDERS", "ExactResult", "check_exactly"]

ORDERS = {
    "ddim": 1,
    "plms": 2,
    "dpm-solver": 2,
    "dpm-solver++": 2,
    "euler": 1,
    "heun": 2,
    "unipc": 2,
}
"""Orders that the papers promise; euler-ancestral follows no ODE."""

COARSE, FINE = 40, 200
DDIM = SAMPLERS["ddim"], FINE // 2
SHORTFALL = 0.15
"""What the next term of the error may take from an order measured between 40 and 200 steps."""


@dataclass(frozen=True)
class ExactResult:
    """One comparison of a sampler with what it must be."""

    sampler: str
    quantity: str
    value: float
    expected: str
    passed: bool


def check_exactly(name: str, sampler: Sampler, stands_for: Sampler | None = None) -> list[ExactResult]:
    """Order, terminal error and evaluations of a deterministic sampler, at eta = 0.

    The order must be that of ``ORDERS``, 1 for other names; the terminal error of 200 steps no larger than
    DDIM's of 100; the number of evaluations that of the sampler that it ``stands_for``. Nothing is returned
    for a sampler that draws noise.

    Raises:
        ValueError: the sampler cannot walk 40 or 200 steps.
    """
    bed = GaussianTestbed()
    coarse, fine, ddim = (_errors(bed, s, n) for s, n in ((sampler, COARSE), (sampler, FINE), DDIM))
    if coarse is None or fine is None or ddim is None:
        return []
    largest = ddim[1]
    least = ORDERS.get(name, 1) - SHORTFALL
    order = math.log(coarse[0] / fine[0]) / math.log(FINE / COARSE)
    results = [
        ExactResult(name, "order of convergence", order, f">= {least:.2f}", order >= least),
        ExactResult(name, "terminal error, 200 steps", fine[1], f"<= {largest:.2g}", fine[1] <= largest),
    ]
    if stands_for is not None:
        calls, promised = (nfe(s, s.grid(bed.schedule, 20, 0.0)) for s in (sampler, stands_for))
        results.append(ExactResult(name, "evaluations, 20 steps", calls, f"= {promised}", calls == promised))
    return results


def _errors(bed: GaussianTestbed, sampler: Sampler, steps: int) -> tuple[float, float] | None:
    """Root mean square distance from the exact solution half-way and at the end; None where noise is drawn.

    Half-way, because the timesteps near the data lie so far apart in log-SNR that no order shows there.
    """
    grid = sampler.grid(bed.schedule, steps, 0.0)
    context = bed.contexts(torch.float64)[0][:1]
    unet = bed.unet(torch.float64)
    asked: list[tuple[Tensor, Tensor]] = []
    drawn: list[Tensor] = []

    def denoise(x: Tensor, t: Tensor) -> Tensor:
        asked.append((x, t))
        return unet(x, t, context)

    def draw() -> Tensor:
        drawn.append(torch.zeros(1, *bed.shape, dtype=torch.float64))
        return drawn[-1]

    noise = torch.randn(1, *bed.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    walked = [step.x for step in sampler.run(denoise, noise, grid, draw)]
    if drawn:
        return None
    start, t = asked[0]
    quantile = bed.standardise(start, signal_power(bed.schedule, t), context)
    middle = len(walked) // 2
    ends = grid.alphas_prev.flip(0)
    half, last = (
        float((bed.standardise(walked[i], ends[i : i + 1], context) - quantile).square().mean().sqrt())
        for i in (middle - 1, len(walked) - 1)
    )
    return half, last
