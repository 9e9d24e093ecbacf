"""Samplers by name for diffusers pipelines; the library calls a sampler a scheduler.

`default` is the pipeline's own, `diffusers:CLASS?key=value` another one with the pipeline's settings except
those that are given. A built-in name selects the scheduler that implements the same method on the same
timesteps.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from sdbench.core.errors import InputError, did_you_mean, one_line
from sdbench.models.diffusers_layout import read_index
from sdbench.models.name_settings import split_settings
from sdbench.spec.sampler_names import DEFAULT_SAMPLER, DIFFUSERS_PREFIX

if TYPE_CHECKING:
    from sdbench.models.sources import PipelineSource

__all__ = ["BUILT_IN", "FLOW", "build_scheduler"]

DDIM_GRID = {"timestep_spacing": "leading", "steps_offset": 1}
EVEN_GRID = {"timestep_spacing": "linspace"}
SECOND_ORDER = {"solver_order": 2, "lower_order_final": True, "use_karras_sigmas": False}

BUILT_IN: dict[str, tuple[str, dict[str, Any]]] = {
    "plms": ("PNDMScheduler", {"skip_prk_steps": True, "set_alpha_to_one": False, **DDIM_GRID}),
    "ddim": ("DDIMScheduler", {"clip_sample": False, "set_alpha_to_one": False, **DDIM_GRID}),
    "dpm-solver++": (
        "DPMSolverMultistepScheduler",
        {"algorithm_type": "dpmsolver++", **SECOND_ORDER, **EVEN_GRID},
    ),
    "euler": ("EulerDiscreteScheduler", EVEN_GRID),
    "euler-ancestral": ("EulerAncestralDiscreteScheduler", EVEN_GRID),
    "heun": ("HeunDiscreteScheduler", EVEN_GRID),
    "unipc": ("UniPCMultistepScheduler", {**SECOND_ORDER, **EVEN_GRID}),
}
"""For models that predict noise. Without dpm-solver, whose non-integer timesteps no scheduler supports."""

FLOW: dict[str, tuple[str, dict[str, Any]]] = {
    "euler": ("FlowMatchEulerDiscreteScheduler", {}),
    "heun": ("FlowMatchHeunDiscreteScheduler", {}),
}
"""For flow-matching models (Stable Diffusion 3, Flux), on the pipeline's own timesteps."""

STEPS_ALONE = ("StableDiffusion3", "AuraFlow")
"""Flow-matching pipelines, by the start of their names, that give a scheduler only the number of steps. The
others give it noise levels of their choice, which not every scheduler accepts."""


def build_scheduler(source: PipelineSource, sampler: str, eta: float) -> Any:
    """Return a new scheduler for the pipeline; InputError if it does not support the sampler or eta."""
    own = _own_scheduler(source)
    class_name, settings = _chosen(source, type(own), sampler)
    kind = _class(source, class_name)
    _check_settings(source, sampler, kind, settings)
    scheduler = kind.from_config(own.config, **settings)
    if not _compatible(type(own), type(scheduler)):
        raise InputError(f"checkpoint {source.name}: sampler {sampler} does not fit its {type(own).__name__}")
    if _is_flow(type(own)):
        _check_levels(source, scheduler)
    if eta and "eta" not in inspect.signature(scheduler.step).parameters:
        raise InputError(f"checkpoint {source.name}: {class_name} takes no eta; DDIMScheduler does")
    return scheduler


def _check_settings(source: PipelineSource, sampler: str, kind: Any, settings: dict[str, Any]) -> None:
    """Raise InputError for a setting that the class does not have: the library would ignore it."""
    known = [word for word in inspect.signature(kind.__init__).parameters if word != "self"]
    unknown = next((key for key in settings if key not in known), None)
    if unknown is not None:
        raise InputError(
            f"checkpoint {source.name}: sampler {sampler!r}: {kind.__name__} has no {unknown!r}; "
            f"{did_you_mean(unknown, known)}"
        )


def _own_scheduler(source: PipelineSource) -> Any:
    class_name = (read_index(source.path, source.name).get("scheduler") or [None, None])[1]
    if class_name is None:
        raise InputError(f"checkpoint {source.name}: {source.path} has no scheduler, which sampling needs")
    try:
        return _class(source, class_name).from_pretrained(source.path / "scheduler", local_files_only=True)
    except (OSError, ValueError) as error:
        raise InputError(
            f"checkpoint {source.name}: its scheduler cannot be read: {one_line(error)}"
        ) from None


def _chosen(source: PipelineSource, own: type, name: str) -> tuple[str, dict[str, Any]]:
    if name == DEFAULT_SAMPLER:
        return own.__name__, {}
    if name.startswith(DIFFUSERS_PREFIX):
        class_name, settings = split_settings(name)
        return class_name.removeprefix(DIFFUSERS_PREFIX), settings
    known = FLOW if _is_flow(own) else BUILT_IN
    if name not in known:
        allowed = [*known, DEFAULT_SAMPLER, f"{DIFFUSERS_PREFIX}CLASS"]
        raise InputError(
            f"checkpoint {source.name}: sampler {name!r} has no equivalent for a diffusers pipeline with "
            f"{own.__name__}: {did_you_mean(name, allowed)}"
        )
    return known[name]


def _check_levels(source: PipelineSource, scheduler: Any) -> None:
    """Raise InputError if the pipeline chooses noise levels and the scheduler cannot take them."""
    pipeline = read_index(source.path, source.name)["_class_name"]
    left_alone = pipeline.startswith(STEPS_ALONE) and not scheduler.config.get("use_dynamic_shifting")
    if not left_alone and "sigmas" not in inspect.signature(scheduler.set_timesteps).parameters:
        raise InputError(
            f"checkpoint {source.name}: {type(scheduler).__name__} cannot take the noise levels that its "
            f"{pipeline} chooses; euler can"
        )


def _class(source: PipelineSource, name: str) -> Any:
    import diffusers

    found = getattr(diffusers, name, None) if name.endswith("Scheduler") else None
    if found is None:
        known = [word for word in dir(diffusers) if word.endswith("Scheduler")]
        hint = did_you_mean(name, known).split("known:")[0]
        raise InputError(
            f"checkpoint {source.name}: diffusers has no scheduler {name!r}; {hint}".rstrip("; ")
        )
    return found


def _compatible(own: Any, other: Any) -> bool:
    if own is other or (_is_flow(own) and _is_flow(other)):
        return True
    return other.__name__ in own._compatibles


def _is_flow(scheduler: type) -> bool:
    return scheduler.__name__.startswith("FlowMatch")
