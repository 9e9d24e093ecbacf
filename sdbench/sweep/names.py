"""Looks up the names in a spec, which loading it alone does not: are they known here?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from sdbench.core.errors import InputError, SpecError, did_you_mean, one_line
from sdbench.models.registry import known_names
from sdbench.models.samplers import resolve_sampler
from sdbench.scoring.protocols import protocol_of
from sdbench.spec import ExperimentSpec, SamplerSpec, SweepSpec, load_spec
from sdbench.spec.errors import Problem
from sdbench.spec.loading import Names, names_in
from sdbench.spec.model_entry import ModelEntry, entry_of_text
from sdbench.spec.overrides import parse_override
from sdbench.spec.sampler_names import belongs_to_model

__all__ = ["check_metrics", "check_names", "read_spec"]


def read_spec(path: Path, overrides: Sequence[str] = ()) -> ExperimentSpec:
    """Read a spec and look up every name in it.

    Args:
        path: A YAML file, or the name of a spec that comes with the package.
        overrides: Values that replace those of the file, each as KEY=VALUE.

    Raises:
        SpecError: It is not a valid spec or a name in it is unknown; the text has a line for each problem.
        InputError: An override has the wrong form or no place in the spec.
    """
    return load_spec(path, [parse_override(text) for text in overrides], _problems)


def check_names(spec: SweepSpec) -> None:
    """Look up every name in the spec; import and try third-party samplers.

    Raises:
        SpecError: A name is unknown, a sampler does not take its eta, or a metric lacks what it needs. A line
            for each problem names the key.
    """
    _require(_problems(names_in(spec)))


def check_metrics(spec: ExperimentSpec) -> None:
    """Look up the metrics of the spec; SpecError if one is unknown or lacks what it needs."""
    _require(_metric_problems(names_in(spec)))


def _require(problems: Iterator[Problem]) -> None:
    lines = [one_line(problem) for problem in problems]
    if lines:
        raise SpecError("\n".join(lines))


def _problems(names: Names) -> Iterator[Problem]:
    known = known_names()
    for place, entry in names.checkpoints.items():
        yield from _about_checkpoint(entry, place, known)
    for place, sampler in names.samplers.items():
        yield from _about_sampler(sampler, place)
    yield from _metric_problems(names)


def _metric_problems(names: Names) -> Iterator[Problem]:
    compared = []
    for place, name in names.metrics.items():
        try:
            if protocol_of(name).needs_real_images:
                compared.append(name)
        except InputError as error:
            yield Problem(("metrics", place), str(error))
    if compared and not names.has_reference:
        yield Problem(("reference",), f"missing, and {compared[0]} compares against reference images")


def _about_checkpoint(entry: ModelEntry, place: int, known: Sequence[str]) -> Iterator[Problem]:
    wanted = entry if entry.base is None else ModelEntry.model_validate(entry_of_text(entry.base))
    if wanted.path is None and wanted.diffusers is None and wanted.name not in known:
        hint = did_you_mean(wanted.name, known)
        words = f"unknown checkpoint {wanted.name!r}: {hint}; or a .ckpt or .safetensors path"
        yield Problem(("checkpoints", place), words)


def _about_sampler(sampler: SamplerSpec, place: int) -> Iterator[Problem]:
    if belongs_to_model(sampler.name):
        return
    try:
        found = resolve_sampler(sampler.name)
    except InputError as error:
        yield Problem(("samplers", place, "name"), str(error))
        return
    if sampler.eta and not found.takes_eta:
        words = f"eta must be 0 for {sampler.name}; ddim takes eta up to 1"
        yield Problem(("samplers", place), words)
