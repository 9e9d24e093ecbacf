"""Samplers against exact answers: for normally distributed data the ODE has a solution in closed form.

The probability-flow ODE keeps each point at its quantile: (x - sqrt(a) m) / spread(a) is constant. The
quantile is taken at the first denoiser call, because samplers scale the starting noise differently. No
baseline is needed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from reference_model.samplers import FLOW_SAMPLERS, SAMPLERS, Sampler, nfe
from sdbench.regression.testbeds import FlowGaussianTestbed, GaussianTestbed

__all__ = ["ExactResult", "check_exactly"]

COARSE, FINE = 40, 100
"""Steps between which the order is measured; with more, third-order errors come near float32 rounding."""

LONG = 200
FIRST_ORDER = {False: SAMPLERS["ddim"], True: FLOW_SAMPLERS["flow-euler"]}
"""What a sampler must not be worse than, by whether it follows a flow."""
SHORTFALL = 0.15
"""By how much the next term of the error may reduce a measured order."""


@dataclass(frozen=True)
class ExactResult:
    """One property of a sampler and whether it has the expected value."""

    sampler: str
    quantity: str
    value: float
    expected: str
    passed: bool


def check_exactly(name: str, sampler: Sampler, stands_for: Sampler | None = None) -> list[ExactResult]:
    """Check order, terminal error and number of evaluations of a deterministic sampler, at eta = 0.

    Args:
        name: Name of the sampler in the results.
        sampler: The sampler to check.
        stands_for: The built-in sampler that it replaces. It must have this sampler's order (otherwise the
            order that its own record states, or 1) and need as many evaluations.

    Returns:
        One result per property; none for a sampler that draws noise. The terminal error of 200 steps must be
        no larger than DDIM's of 100, for a flow that of Euler.

    Raises:
        ValueError: The sampler cannot run 40, 100 or 200 steps.
    """
    bed = FlowGaussianTestbed() if sampler.flow else GaussianTestbed()
    runs = (sampler, COARSE), (sampler, FINE), (sampler, LONG), (FIRST_ORDER[sampler.flow], LONG // 2)
    coarse, fine, long, simple = (_errors(bed, *run) for run in runs)
    if coarse is None or fine is None or long is None or simple is None:
        return []
    largest = simple[1]
    least = ((stands_for or sampler).order or 1) - SHORTFALL
    order = math.log(coarse[0] / fine[0]) / math.log(FINE / COARSE)
    results = [
        ExactResult(name, "order of convergence", order, f">= {least:.2f}", order >= least),
        ExactResult(name, "terminal error, 200 steps", long[1], f"<= {largest:.2g}", long[1] <= largest),
    ]
    if stands_for is not None:
        calls, promised = (nfe(s, s.grid(bed.schedule, 20, 0.0)) for s in (sampler, stands_for))
        results.append(ExactResult(name, "evaluations, 20 steps", calls, f"= {promised}", calls == promised))
    return results


def _errors(bed: GaussianTestbed, sampler: Sampler, steps: int) -> tuple[float, float] | None:
    """Return the root mean square distance from the exact solution, half-way and at the end.

    The order is measured half-way, because timesteps near the data are too far apart in log-SNR to show it.
    Returns None for a sampler that draws noise.
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
    quantile = bed.standardise(start, bed.power_at(t), context)
    middle = len(walked) // 2
    ends = grid.alphas_prev.flip(0)
    half, last = (
        float((bed.standardise(walked[i], ends[i : i + 1], context) - quantile).square().mean().sqrt())
        for i in (middle - 1, len(walked) - 1)
    )
    return half, last
