"""The error budget: how far rounding alone can move a trajectory.

A float32 run is one draw from many, because the same operations in another order round differently. The
distance of such runs from the float64 trajectory is measured in every step, on the float32 run itself and on
float64 runs with random perturbations of the size of float32 rounding (Monte Carlo arithmetic, Parker 1997).
Starting noise and the denoiser's input and output are perturbed by one unit roundoff, up or down at random;
the grid by two (computing a coefficient rounds twice: a difference or quotient, then a root), in all steps in
the direction that adds up. A perturbed run amplifies errors as a real run does. Two float32 runs that are
each within e of the float64 run are within 2 e of each other: 2 e is the budget. In half precision the
latents are perturbed by the roundoff of half precision, the grid by that of float32, in which it is stored.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from reference_model.guidance import Denoise
from reference_model.samplers import Draw, FlowGrid, Step
from reference_model.schedule import Grid, Schedule
from sdbench.models.diffusers_samplers import SchedulerGrid
from sdbench.regression.cases import Case
from sdbench.regression.platforms import Platform
from sdbench.regression.sketches import root_mean_square, sketch
from sdbench.regression.subject import Subject, Unet
from sdbench.regression.testbeds import Testbed
from sdbench.regression.trace import TRACED, Trace, run

__all__ = ["ErrorBudget", "measure_budget"]

COEFFICIENT = 2 * 2.0**-24
"""Relative error of a coefficient: two roundings in float32."""

RUNS = 3
"""Perturbed runs per case. With the float32 run the maximum covers 4 draws for each of 8 prompts."""


@dataclass(frozen=True, eq=False)
class ErrorBudget:
    """The largest difference that rounding explains.

    Attributes:
        x: Root mean square difference of the latents of any image after each step [K].
        pred_x0: The same for the predicted x_0 [K].
        levels: Difference of an 8-bit pixel.
        strays: Number of images that may differ by more, because a small error can grow into another image.
    """

    x: NDArray[np.float64]
    pred_x0: NDArray[np.float64]
    levels: int
    strays: int


def measure_budget(
    testbed: Testbed, case: Case, subject: Subject, seed: int, trace: Trace, platform: Platform
) -> ErrorBudget:
    """Measure the budget of a case; ``trace`` is its run in the precision of the platform."""
    roundoff = platform.roundoff
    exact = run(testbed, case, subject, seed, count=testbed.budget_prompts, dtype=torch.float64)
    draws = [trace]
    for number in range(RUNS):
        perturbed = _perturbed(subject, roundoff, torch.Generator().manual_seed(number))
        draws.append(run(testbed, case, perturbed, seed, count=TRACED, dtype=torch.float64))
    levels = max(int(_levels(draw.decoded[:TRACED], exact.decoded).max()) for draw in draws)
    return ErrorBudget(
        x=_budget(exact.x, [draw.x for draw in draws], roundoff),
        pred_x0=_budget(exact.pred_x0, [draw.pred_x0 for draw in draws], roundoff),
        levels=levels,
        strays=2 * int((_levels(trace.decoded, exact.decoded) > levels).sum()),
    )


def _levels(decoded: Tensor, exact: Tensor) -> Tensor:
    """Return by how many levels a pixel of two such runs [n, 3, H, W] may differ, for each image [n]."""
    both = min(len(decoded), len(exact))
    apart = (decoded[:both] - exact[:both]).abs().flatten(1).amax(dim=1) * 127.5
    return 1 + (2 * apart).floor()  # 1: a value at the edge of a level may truncate either way


def _budget(exact: Tensor, draws: list[Tensor], roundoff: float) -> NDArray[np.float64]:
    truth = sketch(exact)
    errors = [root_mean_square(sketch(draw) - truth) for draw in draws]
    stored = roundoff * root_mean_square(truth)  # a result is rounded at least once, when it is stored
    return np.asarray(2 * np.max([*errors, stored], axis=0))


def _perturbed(subject: Subject, roundoff: float, generator: torch.Generator) -> Subject:
    """Return the subject with errors of the size of rounding in the numbers that its sampler reads."""

    def perturb(x: Tensor, share: float = roundoff) -> Tensor:
        signs = torch.randint(0, 2, x.shape, generator=generator) * 2 - 1
        return x.double() * (1 + share * signs.to(x.device))

    def guide(unet: Unet, context: Tensor, uncond: Tensor, scale: float) -> Denoise:
        denoise = subject.guide(unet, context, uncond, scale)
        return lambda x, t: perturb(denoise(perturb(x), t))

    def grid(schedule: Schedule, steps: int, eta: float) -> Grid:
        made = subject.sampler.grid(schedule, steps, eta)
        if isinstance(made, SchedulerGrid):  # a scheduler hides its coefficients: scale what they multiply
            made = replace(made, gains=(1 + COEFFICIENT, 1 - COEFFICIENT))
        if isinstance(made, FlowGrid):
            moved = _moved(made.levels, COEFFICIENT), _moved(made.levels_next, -COEFFICIENT)
            return replace(made, levels=moved[0], levels_next=moved[1])
        return replace(
            made,
            alphas=_moved(made.alphas, COEFFICIENT),
            alphas_prev=_moved(made.alphas_prev, -COEFFICIENT),
            sigmas=perturb(made.sigmas, COEFFICIENT / 2),
            sqrt_one_minus_alphas=_moved(made.sqrt_one_minus_alphas, COEFFICIENT),
        )

    def walk(denoise: Denoise, x: Tensor, grid: Grid, draw: Draw | None) -> Iterator[Step]:
        yield from subject.sampler.run(denoise, perturb(x), grid, draw)

    return replace(subject, guide=guide, sampler=replace(subject.sampler, run=walk, grid=grid))


def _moved(powers: Tensor, share: float) -> Tensor:
    """Scale values by 1 + share, up to 1; 1 itself is exact, and sqrt(1 - alpha) is undefined above."""
    return torch.where(powers >= 1, powers.double(), (powers.double() * (1 + share)).clamp(max=1.0))
