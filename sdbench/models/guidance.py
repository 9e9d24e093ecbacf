"""Ways of guiding by name: `apg?momentum=0&norm=5`, or a function of others as `core.outside` names it.

A function of others is called like a built-in method, `mine(scale, **settings) -> combine`, once for every
batch; see `reference_model.guidance_methods`. Importing it runs its code. `from` and `to` limit each of them
to a part of the noise schedule. `weak` of autoguidance is a checkpoint, `layers` of pag are parts of the
denoiser.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from functools import cache, partial
from typing import TYPE_CHECKING, Any

import torch

from reference_model.guidance_methods import METHODS, Guidance, Moment
from sdbench.core.errors import InputError, did_you_mean, one_line
from sdbench.core.outside import (
    FORMS,
    Kind,
    error_words,
    find_outside,
    is_outside,
    load_outside,
    source_digest,
)
from sdbench.models.name_settings import split_settings
from sdbench.spec.model_entry import ModelEntry, entry_of_text

if TYPE_CHECKING:
    from sdbench.models.sources import ReferenceSource

__all__ = [
    "evaluations",
    "guidance_identity",
    "perturbed_layers",
    "resolve_guidance",
    "weak_source",
]

ENDS = ("from", "to")
MIDDLE = "middle_block"
"""Where the paper of pag perturbs the attention of Stable Diffusion."""

_WORDS = {"autoguidance": "weak", "pag": "layers"}
"""Settings that are names, not numbers."""

_KIND = Kind("guidance", "sdbench.guidance")


@cache
def resolve_guidance(name: str) -> Guidance:
    """Return the way of guiding, tried out on a small tensor; InputError if it is unknown or fails there.

    Its ``weak`` and ``perturbed`` are left to the model that it guides.
    """
    base, settings = split_settings(name, "guidance")
    if base in METHODS:
        method = METHODS[base]
    elif is_outside(base):
        method = partial(_called, name, load_outside(find_outside(base, _KIND), _KIND))
    else:
        raise InputError(f"unknown guidance {base!r}: {did_you_mean(base, METHODS)}; or {FORMS}")
    ends = _interval(settings)
    if not all(isinstance(end, int | float) for end in ends) or not 0 <= ends[0] < ends[1] <= 1:
        raise InputError(f"guidance {name!r}: from and to must be numbers with 0 <= from < to <= 1")
    if base in _WORDS:
        settings.pop(_WORDS[base], None)
    if base in METHODS:
        _check(name, base, settings)
    guidance = Guidance(method, settings, *ends)
    _try_out(name, guidance)
    return guidance


@cache
def guidance_identity(name: str) -> str | None:
    """Return what a name alone does not identify; None for the other built-in methods.

    The sha256 of the file that defines a function of others, or of the weak model's files.
    """
    base, _ = split_settings(name, "guidance")
    weak = weak_source(name)
    if weak is not None:
        return weak.files_digest()
    if base in METHODS:
        return None
    point = find_outside(base, _KIND)
    return source_digest([point.module, getattr(load_outside(point, _KIND), "__module__", None)])


def weak_source(name: str) -> ReferenceSource | None:
    """Return the weak model of autoguidance, None for other ways; InputError if there is no such model."""
    from sdbench.models.registry import locate_all
    from sdbench.models.sources import ReferenceSource

    base, settings = split_settings(name, "guidance")
    if base != "autoguidance":
        return None
    given = settings.get("weak")
    if not isinstance(given, str):
        raise InputError(f"guidance {name!r} needs a weaker model: weak: CHECKPOINT")
    try:
        (source,) = locate_all([ModelEntry.model_validate(entry_of_text(given))])
    except (InputError, ValueError) as error:
        raise InputError(f"guidance {name!r}: weak: {one_line(error)}") from None
    if not isinstance(source, ReferenceSource):
        raise InputError(f"guidance {name!r}: weak: {given} is not one that the reference model runs")
    return source


def perturbed_layers(name: str) -> tuple[str, ...]:
    """Return the layers whose self-attention pag perturbs; () for other ways."""
    base, settings = split_settings(name, "guidance")
    if base != "pag":
        return ()
    return tuple(layer.strip() for layer in str(settings.get("layers", MIDDLE)).split(","))


def evaluations(name: str, scale: float, passed: Sequence[float]) -> int:
    """Return how often a model is evaluated for an image.

    Args:
        name: A way of guiding.
        scale: Its scale.
        passed: The share of the noise schedule that has passed at each denoiser call.
    """
    base, settings = split_settings(name, "guidance")
    start, stop = _interval(settings)
    each = 2 if base == "autoguidance" else (1 if scale == 1 else 2) + (base == "pag")
    return sum(each if start <= share < stop else 1 for share in passed)


def _interval(settings: dict[str, Any]) -> tuple[Any, Any]:
    """Take the ends of the interval out of the settings of a way of guiding."""
    return settings.pop(ENDS[0], 0.0), settings.pop(ENDS[1], 1.0)


def _check(name: str, base: str, settings: dict[str, Any]) -> None:
    known = [key for key in inspect.signature(METHODS[base]).parameters if key != "scale"]
    known += [_WORDS[base]] if base in _WORDS else []
    for key, value in settings.items():
        if key not in known:
            raise InputError(
                f"guidance {name!r}: {base} has no {key!r}; {did_you_mean(key, [*known, *ENDS])}"
            )
        if not isinstance(value, int | float) or isinstance(value, bool):
            raise InputError(f"guidance {name!r}: {key} {value!r} is not a number")


def _try_out(name: str, guidance: Guidance) -> None:
    halves = torch.randn(2, 2, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    alpha, alpha_next = torch.tensor([0.4, 0.5], dtype=torch.float64)
    moment, given = Moment(alpha, alpha_next, perturbed=halves[1]), halves.clone()
    try:
        combine = guidance.method(3.0, **guidance.settings)
        made = combine(given[0], given[1], moment)
    except Exception as error:  # a function of others may raise anything
        raise InputError(f"guidance {name!r}: {one_line(error)}") from None
    if not isinstance(made, torch.Tensor) or made.shape != halves[0].shape or not made.isfinite().all():
        raise InputError(f"guidance {name!r}: its result is no finite tensor of the prediction's shape")
    if not torch.equal(given, halves):
        raise InputError(f"guidance {name!r}: it changes the predictions given to it; return a new tensor")


def _called(name: str, function: Any, scale: float, **settings: Any) -> Any:
    """Call a function of others; ValueError, which names it, if it fails."""
    try:
        combine = function(scale, **settings)
    except Exception as error:
        raise ValueError(f"guidance {name!r} raises {error_words(error)}") from error
    if not callable(combine):
        raise ValueError(f"guidance {name!r} must return a function (uncond, cond, moment) -> prediction")
    return combine
