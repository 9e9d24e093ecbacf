"""Checks the names in a spec, which loading it does not: are its checkpoints and samplers known here?"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from sdbench.core.errors import InputError, SpecError, did_you_mean
from sdbench.models.registry import known_names
from sdbench.models.samplers import resolve_sampler
from sdbench.spec import SamplerSpec, SweepSpec
from sdbench.spec.model_entry import ModelEntry
from sdbench.spec.sampler_names import belongs_to_model

__all__ = ["check_names"]


def check_names(spec: SweepSpec, file: Path | None = None) -> None:
    """Look up every checkpoint and sampler of the spec; import and try third-party samplers.

    Raises:
        SpecError: A name is unknown, or a sampler does not take its eta. The message names the key, and the
            file if it is given.
    """
    start = f"{file}: " if file else ""
    try:
        known = known_names()
        for place, entry in enumerate(spec.checkpoints):
            _check_checkpoint(entry, f"checkpoints.{place}", known)
        for place, sampler in enumerate(spec.samplers):
            _check_sampler(sampler, f"samplers.{place}")
    except SpecError as error:
        raise SpecError(f"{start}{error}") from None


def _check_checkpoint(entry: ModelEntry, key: str, known: Sequence[str]) -> None:
    if entry.path is None and entry.diffusers is None and entry.name not in known:
        hint = did_you_mean(entry.name, known)
        raise SpecError(f"{key}: unknown checkpoint {entry.name!r}: {hint}; or a .ckpt or .safetensors path")


def _check_sampler(sampler: SamplerSpec, key: str) -> None:
    if belongs_to_model(sampler.name):
        return
    try:
        found = resolve_sampler(sampler.name)
    except InputError as error:
        raise SpecError(f"{key}.name: {error}") from None
    if sampler.eta and not found.takes_eta:
        raise SpecError(f"{key}: eta must be 0 for {sampler.name}; ddim takes eta up to 1")
