"""Schedulers of the diffusers library as samplers of the reference model.

`diffusers:PNDMScheduler?skip_prk_steps=true&steps_offset=1` names the class and settings of its
configuration, with values as in YAML. Settings that are left out have the library's defaults, except the
betas, which are those of the model. Every scheduler that follows a beta schedule works. One that calls the
denoiser several times in a step yields only the states between whole steps.
"""

from __future__ import annotations

import copy
import inspect
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any
from urllib.parse import parse_qsl

import numpy as np
import torch
import yaml
from torch import Tensor

from reference_model.config import ScheduleConfig
from reference_model.guidance import Denoise
from reference_model.samplers import Draw, Sampler, Step
from reference_model.schedule import Grid, Schedule
from sdbench.core.errors import InputError, did_you_mean, one_line
from sdbench.spec.sampler_names import DIFFUSERS_PREFIX

__all__ = ["SchedulerGrid", "diffusers_sampler"]


@dataclass(frozen=True)
class SchedulerGrid(Grid):
    """The grid of a scheduler, and the scheduler itself with its timesteps set.

    Attributes:
        scheduler: An instance of the library's class.
        firsts: Index of the first denoiser call of each of the N steps, from noise to data.
        eta: Share of fresh noise in each step.
        gains: Factors on the state and on eps before they enter the scheduler: 1, or slightly off it to
            simulate rounding errors.
    """

    scheduler: Any
    firsts: tuple[int, ...]
    eta: float
    gains: tuple[float, float] = (1.0, 1.0)


def diffusers_sampler(name: str) -> Sampler:
    """Return the scheduler that `name` describes; InputError if the library has no such class or setting."""
    class_name, _, query = name.removeprefix(DIFFUSERS_PREFIX).partition("?")
    kind = _class(name, class_name)
    settings = _settings(name, kind, query)
    takes_eta = "eta" in inspect.signature(kind.step).parameters
    return Sampler(_walk, partial(_grid, name, kind, settings), takes_eta)


def _class(name: str, class_name: str) -> Any:
    try:
        import diffusers
    except ImportError:
        raise InputError(f"sampler {name!r} needs diffusers: pip install 'sdbench[diffusers]'") from None
    kind = _scheduler(diffusers, class_name)
    if kind is None:
        fitting = [word for word in dir(diffusers) if _scheduler(diffusers, word)]
        hint = did_you_mean(class_name, fitting)
        raise InputError(
            f"sampler {name!r}: diffusers has no such scheduler for models that predict noise; {hint}"
        )
    return kind


def _scheduler(library: Any, class_name: str) -> Any:
    """Return the class if it has a beta schedule and a setting for models that predict noise, else None."""
    kind = getattr(library, class_name, None) if class_name.endswith("Scheduler") else None
    known = inspect.signature(kind.__init__).parameters if kind else ()
    return kind if "beta_start" in known and "prediction_type" in known else None


def _settings(name: str, kind: Any, query: str) -> dict[str, Any]:
    known = [word for word in inspect.signature(kind.__init__).parameters if word != "self"]
    try:
        pairs = parse_qsl(query, strict_parsing=True) if query else []
        settings = {key: yaml.safe_load(value) for key, value in pairs}
    except (ValueError, yaml.YAMLError) as error:
        raise InputError(
            f"sampler {name!r} is not written CLASS?key=value&key=value: {one_line(error)}"
        ) from None
    for key in settings:
        if key not in known:
            raise InputError(f"sampler {name!r}: {kind.__name__} has no {key!r}; {did_you_mean(key, known)}")
    if settings.get("prediction_type", "epsilon") != "epsilon":
        raise InputError(f"sampler {name!r}: prediction_type must be epsilon")
    return settings


def _grid(name: str, kind: Any, settings: dict[str, Any], schedule: Schedule, steps: int, eta: float) -> Grid:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # inside the library, so not ours to fix
            scheduler = kind(**_betas(schedule.config) | settings)
            scheduler.set_timesteps(steps)
    except Exception as error:  # the library may raise anything for a wrong value
        raise ValueError(f"sampler {name!r}: {type(error).__name__}: {one_line(error)}") from None
    times = scheduler.timesteps
    if times[0] < times[-1]:
        raise ValueError(f"sampler {name!r} walks from data to noise; use one that walks from noise to data")
    firsts = tuple(_firsts(times.tolist()))
    powers = _powers(scheduler)
    starts = torch.stack([powers[first] for first in firsts])
    ends = torch.cat([starts[1:], powers[-1:]])
    return SchedulerGrid(
        timesteps=times[list(firsts)].flip(0),
        alphas=starts.flip(0),
        alphas_prev=ends.flip(0),
        sigmas=torch.zeros_like(starts),
        sqrt_one_minus_alphas=(1 - starts).sqrt().flip(0),
        scheduler=scheduler,
        firsts=firsts,
        eta=eta,
    )


def _betas(config: ScheduleConfig) -> dict[str, Any]:
    return {
        "beta_start": config.linear_start,
        "beta_end": config.linear_end,
        "beta_schedule": "scaled_linear",
        "num_train_timesteps": config.timesteps,
    }


def _firsts(times: list[float]) -> Iterator[int]:
    """Yield the index of each step's first call. A call with the next call's timestep continues a step."""
    begins = True
    for place in range(len(times)):
        if begins:
            yield place
        ahead = times[place + 1 : place + 3]
        begins = not (len(ahead) == 2 and ahead[0] == ahead[1])


def _powers(scheduler: Any) -> Tensor:
    """Return the signal power at each call and after the last one, float64 [calls + 1]."""
    times, sigmas = scheduler.timesteps, getattr(scheduler, "sigmas", None)
    if sigmas is not None and len(sigmas) == len(times) + 1 and not hasattr(scheduler, "sigmas_interpol"):
        return 1 / (1 + sigmas.double() ** 2)
    logs = scheduler.alphas_cumprod.double().log().numpy()
    powers = np.exp(np.interp(times.double().numpy(), np.arange(len(logs)), logs))
    end = float(getattr(scheduler, "final_alpha_cumprod", 1.0))
    return torch.from_numpy(np.append(powers, end))


def _walk(denoise: Denoise, x: Tensor, grid: Grid, draw: Draw | None = None) -> Iterator[Step]:
    """Walk a `SchedulerGrid` from noise x [B, C, h, w]; pred_x0 is computed from each step's first eps."""
    assert isinstance(grid, SchedulerGrid)
    scheduler = copy.deepcopy(grid.scheduler)  # it keeps a history, which must not outlive this walk
    options = {"eta": grid.eta} if grid.eta else {}
    times = scheduler.timesteps.to(x.device)
    state = x * scheduler.init_noise_sigma
    seen = scheduler.scale_model_input(state, times[0])
    powers = iter(grid.alphas.flip(0))
    begun, ends = None, {*(first - 1 for first in grid.firsts), len(times) - 1}
    for call, t in enumerate(times):
        eps = denoise(seen, t.expand(len(x)))
        begun = begun or _begun(seen, eps, next(powers))
        with _noise_from(scheduler, draw):
            state = scheduler.step(eps * grid.gains[1], t, state * grid.gains[0], **options).prev_sample
        seen = state if call == len(times) - 1 else scheduler.scale_model_input(state, times[call + 1])
        if call in ends:
            yield Step(seen, *begun)
            begun = None


def _begun(x: Tensor, eps: Tensor, power: Tensor) -> tuple[Tensor, Tensor]:
    return (x - (1 - power).sqrt() * eps) / power.sqrt(), eps


@contextmanager
def _noise_from(scheduler: Any, draw: Draw | None) -> Iterator[None]:
    """Make a scheduler take fresh noise from `draw`, by replacing its module's only source of noise."""
    module: Any = inspect.getmodule(type(scheduler))
    own = getattr(module, "randn_tensor", None)
    if own is None or draw is None:
        yield
        return
    module.randn_tensor = lambda shape, *, dtype=None, device=None, **_: draw().to(device, dtype)
    try:
        yield
    finally:
        module.randn_tensor = own
