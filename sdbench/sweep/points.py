"""The points of a sweep: what a spec asks each checkpoint for, with the controls of ways of guiding."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from reference_model.config import ScheduleConfig
from reference_model.samplers import call_times
from reference_model.schedule import Schedule
from sdbench.models import Source
from sdbench.models.guidance import evaluations
from sdbench.models.samplers import resolve_sampler
from sdbench.models.sources import ReferenceSource
from sdbench.spec import ExperimentSpec, SamplerSpec
from sdbench.spec.guidance import PLAIN

__all__ = ["Point", "evaluations_of", "points_of"]


@dataclass(frozen=True)
class Point:
    """A sampler with its steps, and a way of guiding at a scale."""

    sampler: SamplerSpec
    guidance: str
    scale: float


def points_of(spec: ExperimentSpec, source: Source | None) -> Iterator[Point]:
    """Yield the points of a checkpoint in the order of the results, sampler by sampler.

    For a way of guiding with `control: cfg` there is also plain guidance at its scale: with its steps (see
    `ExperimentSpec.guided`) and, if its evaluations per image differ, with the number of steps that comes
    nearest to them. Without a source, its noise schedule is taken to be the usual one.
    """
    seen: set[Point] = set()
    for sampler in spec.samplers:
        for point in _points(spec, sampler, source):
            if point not in seen:
                seen.add(point)
                yield point


def evaluations_of(point: Point, schedule: ScheduleConfig) -> int:
    """Return how often a model with this schedule is evaluated for an image; ValueError if it cannot be."""
    return evaluations(point.guidance, point.scale, _passed(point.sampler, schedule))


def _points(spec: ExperimentSpec, sampler: SamplerSpec, source: Source | None) -> Iterator[Point]:
    for way, scale in spec.guided:
        yield Point(sampler, way, scale)
    if not isinstance(source, ReferenceSource | None):  # other models guide in their own way alone
        return
    for way, scale in spec.controlled:
        schedule = source.model_config.schedule if source else ScheduleConfig()
        try:
            wanted = evaluations_of(Point(sampler, way, scale), schedule)
            steps = _steps_for(wanted / (1 if scale == 1 else 2), sampler, schedule)
        except ValueError:  # the sampler cannot run these steps, which is told elsewhere
            continue
        yield Point(sampler.model_copy(update={"steps": steps}), PLAIN, scale)


@cache
def _steps_for(calls: float, sampler: SamplerSpec, schedule: ScheduleConfig) -> int:
    """Return the steps with which the sampler calls a denoiser nearest to this often."""
    own = len(_passed(sampler, schedule))
    guess = sampler.steps * calls / own
    reach = max(2, guess / 10)  # DDIM's grids have few sizes at many steps
    made = {sampler.steps: own}
    for steps in range(max(1, round(guess - reach)), min(schedule.timesteps, round(guess + reach)) + 1):
        try:
            made[steps] = len(_passed(sampler.model_copy(update={"steps": steps}), schedule))
        except ValueError:
            continue
    return min(made, key=lambda steps: (abs(made[steps] - calls), abs(steps - guess)))


@cache
def _passed(sampler: SamplerSpec, schedule: ScheduleConfig) -> tuple[float, ...]:
    """Return the share of the schedule that has passed at each denoiser call of a sampler."""
    found, noise = resolve_sampler(sampler.name), Schedule(schedule)
    times = call_times(found, found.grid(noise, sampler.steps, sampler.eta))
    return tuple(noise.passed(time) for time in times)
