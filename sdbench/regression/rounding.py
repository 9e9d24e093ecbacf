"""How far rounding alone can carry a trajectory: the error budget.

A float32 run is one draw from many: another order of the same operations rounds differently. How far such
runs lie from the float64 trajectory is measured step by step, on the float32 run itself and on float64 runs
that are shaken as float32 would shake them (Monte Carlo arithmetic, Parker 1997): start noise, input and
output of the denoiser by the unit roundoff, up or down at random, and the grid by two (a coefficient takes
two roundings: a difference or a quotient, and a root), at all steps in the direction that adds up. What the
trajectory makes of such errors, it makes there too. Two float32 runs, each within e of the float64 one, lie
within 2 e of each other; that is the budget. In half precision the latents are shaken as half precision
would, the grid as float32, which is what it is kept in.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from reference_model.guidance import Denoise
from reference_model.samplers import Draw, Sampler, Step
from reference_model.schedule import Grid, Schedule
from sdbench.diffusers_samplers import SchedulerGrid
from sdbench.regression.cases import Case
from sdbench.regression.platforms import Platform
from sdbench.regression.sketches import root_mean_square, sketch
from sdbench.regression.subject import Subject, Unet
from sdbench.regression.testbeds import Testbed
from sdbench.regression.trace import TRACED, Trace, run

__all__ = ["Budget", "measure_budget"]

COEFFICIENT = 2 * 2.0**-24
"""The error of a coefficient: two roundings in float32."""

RUNS = 3
"""Perturbed runs a case. With the float32 run the largest of 4 draws for each of 8 prompts: 32 in all."""


@dataclass(frozen=True, eq=False)
class Budget:
    """The largest difference that rounding explains.

    x, pred_x0 [K]: root mean square of the latents of any image after each step. levels: of an 8-bit pixel.
    strays: so many images may differ by more, where a small difference grows to another image.
    """

    x: NDArray[np.float64]
    pred_x0: NDArray[np.float64]
    levels: int
    strays: int


def measure_budget(
    testbed: Testbed, case: Case, subject: Subject, seed: int, trace: Trace, platform: Platform
) -> Budget:
    """The budget of a case that ran as ``trace`` in the precision of the platform."""
    roundoff = platform.roundoff
    exact = run(testbed, case, subject, seed, count=testbed.budget_prompts, dtype=torch.float64)
    draws = [trace]
    for number in range(RUNS):
        shaken = _perturbed(subject, roundoff, torch.Generator().manual_seed(number))
        draws.append(run(testbed, case, shaken, seed, count=TRACED, dtype=torch.float64))
    levels = max(int(_levels(draw.decoded[:TRACED], exact.decoded).max()) for draw in draws)
    return Budget(
        x=_budget(exact.x, [draw.x for draw in draws], roundoff),
        pred_x0=_budget(exact.pred_x0, [draw.pred_x0 for draw in draws], roundoff),
        levels=levels,
        strays=2 * int((_levels(trace.decoded, exact.decoded) > levels).sum()),
    )


def _levels(decoded: Tensor, exact: Tensor) -> Tensor:
    """By how many levels two runs like this one [n, 3, H, W] may differ in any pixel of an image, [n]."""
    both = min(len(decoded), len(exact))
    apart = (decoded[:both] - exact[:both]).abs().flatten(1).amax(dim=1) * 127.5
    return 1 + (2 * apart).floor()  # a value on the edge of a level falls to either side


def _budget(exact: Tensor, draws: list[Tensor], roundoff: float) -> NDArray[np.float64]:
    truth = sketch(exact)
    errors = [root_mean_square(sketch(draw) - truth) for draw in draws]
    stored = roundoff * root_mean_square(truth)  # a result is rounded once, if only when stored
    return np.asarray(2 * np.max([*errors, stored], axis=0))


def _perturbed(subject: Subject, roundoff: float, generator: torch.Generator) -> Subject:
    """The same subject whose sampler reads its numbers with the errors that rounding would give them."""

    def shake(x: Tensor, share: float = roundoff) -> Tensor:
        signs = torch.randint(0, 2, x.shape, generator=generator) * 2 - 1
        return x.double() * (1 + share * signs.to(x.device))

    def guide(unet: Unet, context: Tensor, uncond: Tensor, scale: float) -> Denoise:
        denoise = subject.guide(unet, context, uncond, scale)
        return lambda x, t: shake(denoise(shake(x), t))

    def grid(schedule: Schedule, steps: int, eta: float) -> Grid:
        made = subject.sampler.grid(schedule, steps, eta)
        if isinstance(made, SchedulerGrid):  # its coefficients are its own: what they multiply is moved
            made = replace(made, gains=(1 + COEFFICIENT, 1 - COEFFICIENT))
        return replace(
            made,
            alphas=_moved(made.alphas, COEFFICIENT),
            alphas_prev=_moved(made.alphas_prev, -COEFFICIENT),
            sigmas=shake(made.sigmas, COEFFICIENT / 2),
            sqrt_one_minus_alphas=_moved(made.sqrt_one_minus_alphas, COEFFICIENT),
        )

    def walk(denoise: Denoise, x: Tensor, grid: Grid, draw: Draw | None) -> Iterator[Step]:
        yield from subject.sampler.run(denoise, shake(x), grid, draw)

    return replace(subject, guide=guide, sampler=Sampler(walk, grid, subject.sampler.takes_eta))


def _moved(powers: Tensor, share: float) -> Tensor:
    """Values moved by a share of themselves; 1 is exact in any precision, and beyond it lie no roots."""
    return torch.where(powers >= 1, powers.double(), (powers.double() * (1 + share)).clamp(max=1.0))
