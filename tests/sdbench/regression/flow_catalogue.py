"""Planted faults and harmless changes of flow samplers, with the first step in which each must show."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from catalogue import Change, in_loop, on_grid, surroundings, to_half

from reference_model.guidance import guided
from reference_model.samplers import dynamic_mu, flow_grid
from sdbench.models.samplers import resolve_sampler
from sdbench.regression import Subject

ALL = ("flow-euler", "flow-heun", "flow-dpm-solver++")
BY_RESOLUTION = ("flow-euler?tokens=1024",)


def flow_subject(name: str) -> Subject:
    return Subject(resolve_sampler(name))


def regridded(**settings):
    """Another grid of the same sampler."""

    def plant(name, subject):
        grid = partial(flow_grid, **settings)
        return replace(subject, sampler=replace(subject.sampler, grid=grid))

    return plant


def reversed_velocity(unet, context, uncond, scale):
    denoise = guided(unet, context, uncond, scale)
    return lambda x, t: -denoise(x, t)


def without_last_step(grid):
    return replace(grid, **{name: values[1:] for name, values in vars(grid).items()})


def ends_early(grid):
    ends = grid.levels_next.clone()
    ends[0] = 0.02
    return replace(grid, levels_next=ends)


def levels_as_timesteps(grid):
    return replace(grid, timesteps=grid.levels.float())


FLOW_FAULTS: dict[str, Change] = {
    "shift applied twice": Change(regridded(shift=9.0), samplers=ALL),
    "shift left out": Change(regridded(shift=1.0), samplers=ALL),
    "mu of another resolution": Change(regridded(mu=dynamic_mu(256)), samplers=BY_RESOLUTION),
    "terminal sigma missing": Change(on_grid(without_last_step), "20", ("flow-euler",)),
    "terminal sigma missing, plain last step": Change(
        on_grid(without_last_step), "19", ("flow-heun", "flow-dpm-solver++")
    ),
    "sigma ends at 0.02": Change(on_grid(ends_early), "20", ALL),
    "velocity of the other sign": Change(surroundings(guide=reversed_velocity), samplers=ALL),
    "timestep off by 1000x": Change(on_grid(levels_as_timesteps), samplers=ALL),
    "fp16 accumulation": Change(in_loop(store=to_half), samplers=ALL),
}

FLOW_HARMLESS: dict[str, Change] = {
    "operations reordered": Change(in_loop(), samplers=ALL),
    "batches of 100": Change(surroundings(batch_size=100), samplers=ALL),
}
