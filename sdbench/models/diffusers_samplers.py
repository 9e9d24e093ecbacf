"""Schedulers of the diffusers library as samplers of the reference model.

`diffusers:PNDMScheduler?skip_prk_steps=true&steps_offset=1` names the class and settings of its
configuration, with values as in YAML. Settings that are left out have the library's defaults, except the
betas, which are those of the model. Every scheduler that follows a beta schedule works, and so does every
one of rectified flow: the FlowMatch classes, and others with `use_flow_sigmas=true`; `mu` goes to
`set_timesteps`. One that calls the denoiser several times in a step yields only the states between steps.
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

import numpy as np
import torch
from torch import Tensor

from reference_model.config import ScheduleConfig
from reference_model.guidance import Denoise
from reference_model.samplers import Draw, Sampler, Step
from reference_model.schedule import Grid, Schedule
from sdbench.core.errors import InputError, did_you_mean, one_line
from sdbench.models.name_settings import split_settings
from sdbench.spec.sampler_names import DIFFUSERS_PREFIX

__all__ = ["SchedulerGrid", "diffusers_sampler"]

FLOW_MATCH = "FlowMatch"
"""How the names of classes begin that know only rectified flow."""


@dataclass(frozen=True)
class SchedulerGrid(Grid):
    """The grid of a scheduler, and the scheduler itself with its timesteps set.

    Attributes:
        scheduler: An instance of the library's class.
        firsts: Index of the first denoiser call of each of the N steps, from noise to data.
        eta: Share of fresh noise in each step.
        flow: Whether the denoiser predicts the velocity of rectified flow; powers are then (1 - sigma)^2.
        gains: Factors on the state and on eps before they enter the scheduler: 1, or slightly off it to
            simulate rounding errors.
    """

    scheduler: Any
    firsts: tuple[int, ...]
    eta: float
    flow: bool = False
    gains: tuple[float, float] = (1.0, 1.0)


def diffusers_sampler(name: str) -> Sampler:
    """Return the scheduler that `name` describes; InputError if the library has no such class or setting."""
    written, settings = split_settings(name)
    kind = _class(name, written.removeprefix(DIFFUSERS_PREFIX))
    flow = kind.__name__.startswith(FLOW_MATCH) or settings.get("use_flow_sigmas") is True
    mu = settings.pop("mu", None) if flow else None
    _check(name, kind, settings, "flow_prediction" if flow else "epsilon")
    takes_eta = "eta" in inspect.signature(kind.step).parameters
    if flow:
        return Sampler(_walk, partial(_flow_grid, name, kind, settings, mu), takes_eta, flow=True)
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
        raise InputError(f"sampler {name!r}: diffusers has no such scheduler for noise or velocity; {hint}")
    return kind


def _scheduler(library: Any, class_name: str) -> Any:
    """Return the class if it matches flows or has a beta schedule and a `prediction_type`, else None."""
    kind = getattr(library, class_name, None) if class_name.endswith("Scheduler") else None
    known = inspect.signature(kind.__init__).parameters if kind else ()
    fits = class_name.startswith(FLOW_MATCH) or ("beta_start" in known and "prediction_type" in known)
    return kind if kind and fits else None


def _check(name: str, kind: Any, settings: dict[str, Any], predicted: str) -> None:
    """Raise InputError for a setting that the class does not have, or another prediction_type."""
    known = [word for word in inspect.signature(kind.__init__).parameters if word != "self"]
    for key in settings:
        if key not in known:
            raise InputError(f"sampler {name!r}: {kind.__name__} has no {key!r}; {did_you_mean(key, known)}")
    if settings.get("prediction_type", predicted) != predicted:
        raise InputError(f"sampler {name!r}: prediction_type must be {predicted}")
    if predicted == "flow_prediction" and "prediction_type" in known:
        settings["prediction_type"] = predicted


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
    return _scheduler_grid(scheduler, _powers(scheduler), eta, flow=False)


def _scheduler_grid(scheduler: Any, powers: Tensor, eta: float, *, flow: bool) -> SchedulerGrid:
    times = scheduler.timesteps
    firsts = tuple(_firsts(times.tolist()))
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
        flow=flow,
    )


def _flow_grid(
    name: str, kind: Any, settings: dict[str, Any], mu: Any, schedule: Schedule, steps: int, eta: float
) -> Grid:
    """Return the grid of a flow scheduler, which is handed 1, 1 - 1/N, ..., 1/N if it takes levels.

    Pipelines such as Flux's and Qwen-Image's hand over these; the scheduler shifts them.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # inside the library, so not ours to fix
            scheduler = kind(num_train_timesteps=schedule.config.timesteps, **settings)
            takes_levels = "sigmas" in inspect.signature(scheduler.set_timesteps).parameters
            levels = np.linspace(1, 1 / steps, steps)
            given: dict[str, Any] = {"sigmas": levels} if takes_levels else {"num_inference_steps": steps}
            scheduler.set_timesteps(**given, **({} if mu is None else {"mu": mu}))
    except Exception as error:  # the library may raise anything for a wrong value
        raise ValueError(f"sampler {name!r}: {type(error).__name__}: {one_line(error)}") from None
    sigmas = scheduler.sigmas.double()
    if len(sigmas) != len(scheduler.timesteps) + 1 or sigmas[0] < sigmas[-1]:
        raise ValueError(f"sampler {name!r}: its noise levels do not lead from noise to data")
    return _scheduler_grid(scheduler, (1 - sigmas) ** 2, eta, flow=True)


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
    scaled = getattr(scheduler, "scale_model_input", lambda sample, t: sample)  # flow schedulers have none
    state = x * getattr(scheduler, "init_noise_sigma", 1.0)
    seen = scaled(state, times[0])
    powers = iter(grid.alphas.flip(0))
    begun, ends = None, {*(first - 1 for first in grid.firsts), len(times) - 1}
    for call, t in enumerate(times):
        eps = denoise(seen, t.expand(len(x)))
        begun = begun or _begun(seen, eps, next(powers), flow=grid.flow)
        with _noise_from(scheduler, draw):
            state = scheduler.step(eps * grid.gains[1], t, state * grid.gains[0], **options).prev_sample
        seen = state if call == len(times) - 1 else scaled(state, times[call + 1])
        if call in ends:
            yield Step(seen, *begun)
            begun = None


def _begun(x: Tensor, eps: Tensor, power: Tensor, *, flow: bool) -> tuple[Tensor, Tensor]:
    if flow:
        return x - (1 - power.sqrt()) * eps, eps
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
