"""Built-in flow samplers by name and settings of their grid: `flow-euler?tokens=4096&spacing=karras`."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from reference_model.config import ScheduleConfig
from reference_model.samplers import FLOW_SAMPLERS, SPACINGS, Sampler, dynamic_mu, flow_grid
from reference_model.schedule import Grid, Schedule
from sdbench.core.errors import InputError, did_you_mean
from sdbench.models.name_settings import split_settings

__all__ = ["flow_sampler", "is_flow_sampler"]

_NUMBERS = ("shift", "mu", "tokens", "terminal")


def is_flow_sampler(name: str) -> bool:
    """Return whether `name`, without its settings, is a built-in flow sampler."""
    return name.partition("?")[0] in FLOW_SAMPLERS


def flow_sampler(name: str) -> Sampler:
    """Return the sampler; InputError for an unknown setting or a value out of range."""
    base, settings = split_settings(name)
    sampler = FLOW_SAMPLERS[base]
    if not settings:
        return sampler
    grid: Callable[[Schedule, int, float], Grid] = partial(flow_grid, **_checked(name, settings))
    try:
        grid(Schedule(ScheduleConfig()), 2, 0.0)
    except (ValueError, OverflowError) as error:
        raise InputError(f"sampler {name!r}: {error}") from None
    return Sampler(sampler.run, grid, order=sampler.order, flow=True)


def _checked(name: str, settings: dict[str, Any]) -> dict[str, Any]:
    for key, value in settings.items():
        if key not in (*_NUMBERS, "spacing"):
            hint = did_you_mean(key, (*_NUMBERS, "spacing"))
            raise InputError(f"sampler {name!r}: a flow's grid has no {key!r}; {hint}")
        if key in _NUMBERS and (isinstance(value, bool) or not isinstance(value, int | float)):
            raise InputError(f"sampler {name!r}: {key} {value!r} is not a number")
        if key == "spacing" and value not in SPACINGS:
            raise InputError(f"sampler {name!r}: spacing {value!r}; {did_you_mean(str(value), SPACINGS)}")
    if sum(key in settings for key in ("shift", "mu", "tokens")) > 1:
        raise InputError(f"sampler {name!r}: shift, mu and tokens exclude each other")
    if "tokens" in settings:
        return {**{k: v for k, v in settings.items() if k != "tokens"}, "mu": dynamic_mu(settings["tokens"])}
    return settings
