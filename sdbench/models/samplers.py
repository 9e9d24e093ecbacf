"""Samplers by name: built-in ones, those of packages, functions in modules or files, diffusers schedulers.

A package adds one by an entry point in the group `sdbench.samplers`. `module:function`,
`folder/file.py:function` and `ext:package/name` name one as well (`core.outside`). Each is either a
`Sampler`, or a function like the built-in ones, `(denoise, x, grid, draw) -> Iterator[Step]`, which is run
on the DDIM grid. Importing it runs its code. `diffusers:CLASS` is a scheduler of the diffusers library.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any

import torch
from torch import Tensor

from reference_model.config import ScheduleConfig
from reference_model.guidance import Denoise
from reference_model.samplers import FLOW_SAMPLERS, SAMPLERS, Draw, Sampler, Step
from reference_model.schedule import Grid, Schedule
from sdbench.core.errors import InputError, did_you_mean
from sdbench.core.outside import FORMS, Kind, error_words, find_outside, load_outside, source_digest
from sdbench.models.diffusers_samplers import diffusers_sampler
from sdbench.models.flow_samplers import flow_sampler, is_flow_sampler
from sdbench.spec.sampler_names import DIFFUSERS_PREFIX, belongs_to_model

__all__ = ["GROUP", "resolve_sampler", "sampler_identity"]

GROUP = "sdbench.samplers"
_KIND = Kind("sampler", GROUP)
TRIAL_STEPS = 10


@cache
def resolve_sampler(name: str) -> Sampler:
    """Return the sampler `name`. One that is not built in has been tried on a short grid.

    If such a sampler fails later, in its grid or during a walk, the error is a ValueError that names it.

    Raises:
        InputError: The name is unknown, or the sampler cannot be imported or failed on the short grid.
    """
    if name in SAMPLERS:
        return SAMPLERS[name]
    if is_flow_sampler(name):
        return flow_sampler(name)
    found = diffusers_sampler(name) if name.startswith(DIFFUSERS_PREFIX) else _load(_entry_point(name))
    sampler = _guarded(name, found)
    try:
        _try_out(name, sampler)
    except ValueError as error:
        raise InputError(f"{error}") from None
    return sampler


@cache
def sampler_identity(name: str) -> str | None:
    """Return the sha256 of the files that define a third-party sampler, which its name does not identify.

    Files that they import are not included. None for samplers that are built in or belong to a model.
    """
    if name in SAMPLERS or is_flow_sampler(name) or belongs_to_model(name):
        return None
    point = _entry_point(name)
    sampler = _load(point)
    modules = {point.module, *(getattr(part, "__module__", None) for part in (sampler.run, sampler.grid))}
    return source_digest(m for m in modules if m and m.split(".")[0] != "reference_model")


def _entry_point(name: str) -> EntryPoint:
    if ":" in name:
        return find_outside(name, _KIND)
    installed = {point.name: point for point in entry_points(group=GROUP)}
    if name not in installed:
        hint = did_you_mean(name, [*SAMPLERS, *FLOW_SAMPLERS, *installed])
        raise InputError(f"unknown sampler {name!r}: {hint}; or {FORMS}, diffusers:CLASS")
    return installed[name]


def _load(point: EntryPoint) -> Sampler:
    found = load_outside(point, _KIND)
    if isinstance(found, Sampler):
        return found
    if not callable(found):
        raise InputError(f"sampler {point.name!r} is not a function: {found!r:.60}")
    return Sampler(found, Schedule.grid, takes_eta=True)


def _try_out(name: str, sampler: Sampler) -> None:
    x = torch.randn(2, 4, 8, 8, generator=torch.Generator().manual_seed(0))

    def denoise(x: Tensor, t: Tensor) -> Tensor:
        if x.shape != (2, 4, 8, 8) or t.shape != (2,):
            raise ValueError(f"the denoiser takes x [B, C, h, w] and timesteps [B], got {_shapes(x, t)}")
        return x.clone()

    grid = sampler.grid(Schedule(ScheduleConfig()), TRIAL_STEPS, 0.0)
    *_, last = sampler.run(denoise, x, grid, lambda: torch.ones_like(x))
    if not torch.isfinite(last.x).all():
        raise ValueError(f"sampler {name!r}: its result is not finite")


def _guarded(name: str, sampler: Sampler) -> Sampler:
    def grid(schedule: Schedule, steps: int, eta: float) -> Grid:
        (made,) = _translated(name, lambda: [sampler.grid(schedule, steps, eta)])
        if not isinstance(made, Grid):
            raise ValueError(f"sampler {name!r}: its grid is not a Grid: {made!r:.60}")
        return made

    def run(denoise: Denoise, x: Tensor, grid: Grid, draw: Draw | None) -> Iterator[Step]:
        step = None
        for step in _translated(name, lambda: sampler.run(denoise, x, grid, draw)):
            if not isinstance(step, Step):
                raise ValueError(f"sampler {name!r} must yield Step, not {type(step).__name__}")
            if step.x.shape != x.shape:
                shapes = f"{_shapes(step.x)} instead of {_shapes(x)}"
                raise ValueError(f"sampler {name!r} yields the wrong shape: {shapes}")
            yield step
        if step is None:
            raise ValueError(f"sampler {name!r} yields nothing")

    return replace(sampler, run=run, grid=grid)


def _translated(name: str, start: Callable[[], Any]) -> Iterator[Any]:
    try:
        yield from start()
    except Exception as error:
        raise ValueError(f"sampler {name!r} raises {error_words(error)}") from error


def _shapes(*tensors: Tensor) -> str:
    return " and ".join(str(list(tensor.shape)) for tensor in tensors)
