"""Planted faults and harmless changes: what each does to a subject, and in which step it must show first."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property, partial

import rewritten
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel

from reference_model.guidance import guided
from reference_model.samplers import SAMPLERS, Sampler
from reference_model.schedule import Schedule
from sdbench.regression import Subject

ALL = ("plms", "ddim", "dpm-solver++")


@dataclass(frozen=True)
class Change:
    """`first`: the first step that differs from the baseline; `eta`: of the case that shows the change."""

    plant: Callable[[str, Subject], Subject]
    first: str = "1"
    samplers: tuple[str, ...] = ALL
    eta: float = 0.0


def subject_of(name: str) -> Subject:
    return Subject(SAMPLERS[name])


def on_grid(change):
    """A fault in the grid."""

    def plant(name, subject):
        made = subject.sampler.grid
        return replace(subject, sampler=replace(subject.sampler, grid=lambda *a: change(made(*a))))

    return plant


def in_loop(**fault):
    """A fault inside the loop of the rewritten sampler."""

    def plant(name, subject):
        run = partial(rewritten.REWRITTEN[name], **fault)
        return replace(subject, sampler=replace(subject.sampler, run=run))

    return plant


def larger_start(name, subject):
    run = subject.sampler.run
    larger = lambda denoise, x, grid, draw: run(denoise, 1.01 * x, grid, draw)  # noqa: E731
    return replace(subject, sampler=replace(subject.sampler, run=larger))


def earlier_timesteps(grid):
    return replace(grid, timesteps=grid.timesteps - 1)


def shifted_ends(grid):
    return replace(grid, alphas_prev=torch.cat([grid.alphas_prev[:1], grid.alphas_prev[:-1]]))


def without_one_step(grid):
    left = [index for index in range(len(grid.timesteps)) if index != 9]
    return replace(grid, **{name: values[left] for name, values in vars(grid).items()})


class LinearSchedule(Schedule):
    """Beta itself is linear, not its square root."""

    @cached_property
    def betas(self):
        c = self.config
        return torch.linspace(c.linear_start, c.linear_end, c.timesteps, dtype=torch.float64)


def linear_betas(name, subject):
    made = subject.sampler.grid
    grid = lambda schedule, steps, eta: made(LinearSchedule(schedule.config), steps, eta)  # noqa: E731
    return replace(subject, sampler=replace(subject.sampler, grid=grid))


def no_eta(name, subject):
    made = subject.sampler.grid
    grid = lambda schedule, steps, eta: made(schedule, steps, 0.0)  # noqa: E731
    return replace(subject, sampler=Sampler(subject.sampler.run, grid, True))


def reseeded(seed, ids, shape):
    generator = torch.Generator().manual_seed(seed)
    return lambda: torch.randn(len(ids), *shape, generator=generator)


def without_clamp(images):
    levels = (255.0 * (images + 1.0) / 2.0).to(torch.int64) % 256
    return levels.to(torch.uint8).permute(0, 2, 3, 1).contiguous()


def to_half(x):
    return x.half().to(x.dtype)


def twice(unet, context, uncond, scale):
    return guided(unet, context, uncond, scale**2)


def swapped(unet, context, uncond, scale):
    return guided(unet, uncond.expand_as(context), context, scale)


def math_attention(unet, context, uncond, scale):
    """Attention as matrix products and a softmax; the default on CPUs is one fused kernel."""

    def denoise(x, t, context):
        with sdpa_kernel(SDPBackend.MATH):
            return unet(x, t, context)

    return guided(denoise, context, uncond, scale)


def compiled(unet, context, uncond, scale):
    return guided(torch.compile(unet), context, uncond, scale)


def surroundings(**fields):
    return lambda name, subject: replace(subject, **fields)


FAULTS: dict[str, Change] = {
    "timestep offset 0 for 1": Change(on_grid(earlier_timesteps)),
    "history lags a step": Change(in_loop(late=True), "2", ("plms", "dpm-solver++")),
    "no first-step correction": Change(in_loop(corrected=False), "1", ("plms",)),
    "alphas_prev shifted": Change(on_grid(shifted_ends)),
    "guidance applied twice": Change(surroundings(guide=twice)),
    "cond and uncond swapped": Change(surroundings(guide=swapped)),
    "eta ignored": Change(no_eta, "1", ("ddim",), eta=1.0),
    "noise re-seeded per batch": Change(
        surroundings(step_noise=reseeded, batch_size=64), "1", ("ddim",), eta=1.0
    ),
    "fp16 accumulation": Change(in_loop(store=to_half)),
    "linear betas for scaled_linear": Change(linear_betas),
    "step 11 of 20 skipped": Change(on_grid(without_one_step), "11"),
    "x_T times 1.01": Change(larger_start),
    "final clamp left out": Change(surroundings(to_pixels=without_clamp), "images"),
}

HARMLESS: dict[str, Change] = {
    "operations reordered": Change(in_loop()),
    "operations reordered, eta 1": Change(in_loop(), samplers=("ddim",), eta=1.0),
    "batches of 100": Change(surroundings(batch_size=100)),
    "batches of 100, eta 1": Change(surroundings(batch_size=100), samplers=("ddim",), eta=1.0),
}

IN_THE_NETWORK: dict[str, Change] = {
    "attention without the fused kernel": Change(surroundings(guide=math_attention)),
    "batches of 5": Change(surroundings(batch_size=5)),
    "torch.compile": Change(surroundings(guide=compiled)),
}
"""Also harmless; these apply to denoisers that are networks."""
