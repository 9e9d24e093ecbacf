"""Images and UNet evaluations of a spec. What is missing on this machine is reported, not required."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from reference_model.config import ScheduleConfig
from sdbench.core.environment import best_device
from sdbench.core.errors import InputError
from sdbench.core.paths import existing_file
from sdbench.core.precision import compiles
from sdbench.data.prompts import Prompt
from sdbench.models import Source
from sdbench.models.pipeline_guidance import pipeline_guidance
from sdbench.models.registry import locate
from sdbench.models.settings import Settings
from sdbench.models.sources import PipelineSource, ReferenceSource
from sdbench.scoring.reference_sets import find_reference
from sdbench.spec import ExperimentSpec, SamplerSpec, StatsReference
from sdbench.spec.guidance import PLAIN
from sdbench.spec.model_entry import ModelEntry
from sdbench.spec.sampler_names import belongs_to_model
from sdbench.sweep.planning import settings_of
from sdbench.sweep.points import Point, evaluations_of, points_of
from sdbench.sweep.prepare import check_points, find_prompts

__all__ = ["Curve", "Found", "count", "find", "first_point"]


@dataclass(frozen=True)
class Found:
    """The inputs of a spec on this machine; `missing` has a line for each that is absent or unusable."""

    sources: dict[str, Source]
    prompts: tuple[Prompt, ...]
    missing: tuple[str, ...]


@dataclass(frozen=True)
class Curve:
    """A checkpoint and sampler over all guidance scales.

    Attributes:
        checkpoint: Name of the checkpoint.
        sampler: Name of the sampler.
        steps: Number of steps.
        found: Whether the checkpoint is on this machine.
        cells: Number of scales and ways of guiding.
        images: Number of images over all of them; None if unknown.
        evaluations: UNet evaluations per image at each scale; None if the sampler cannot run so many steps.
        assumed: Whether one evaluation per step, doubled by guidance, is an assumption, because only a loaded
            pipeline could tell.
        guided_by: What the guidance scale is to the checkpoint; "" if that is not known.
    """

    checkpoint: str
    sampler: str
    steps: int
    eta: float
    found: bool
    cells: int
    images: int | None
    evaluations: tuple[int, ...] | None
    assumed: bool
    guided_by: str

    @property
    def total(self) -> int | None:
        """UNet evaluations of all images; None if unknown."""
        if self.evaluations is None or self.images is None:
            return None
        return self.images // len(self.evaluations) * sum(self.evaluations)


def find(spec: ExperimentSpec) -> Found:
    """Look up all inputs of `spec` that can be checked without loading a model."""
    compiled = compiles(spec.compile, best_device())
    missing: list[str] = []
    sources: dict[str, Source] = {}
    for entry in spec.checkpoints:
        try:
            source = locate(entry)
            check_points(spec, source, compiled=compiled)
            sources[entry.name] = source
        except InputError as error:
            wanted = getattr(error, "wanted", None)
            missing.append(f"{error}; fetch with: sdbench models fetch {wanted}" if wanted else str(error))
    prompts: tuple[Prompt, ...] = ()
    try:
        prompts = find_prompts(spec)
    except InputError as error:
        missing.append(str(error))
    try:
        if isinstance(spec.reference, StatsReference):
            existing_file(spec.reference.path, "reference.path")
        else:
            find_reference(spec.reference, spec.height_width)
    except InputError as error:
        missing.append(str(error))
    return Found(sources, prompts, tuple(missing))


def count(spec: ExperimentSpec, found: Found) -> list[Curve]:
    """Return the curves of the spec in plan order, without numbers of images if not even a count is known."""
    prompts = len(found.prompts) or spec.prompts.count
    curves = []
    for entry in spec.checkpoints:
        source = found.sources.get(entry.name)
        points: dict[SamplerSpec, list[Point]] = {}
        for point in points_of(spec, source):
            points.setdefault(point.sampler, []).append(point)
        curves += [
            Curve(
                entry.name,
                sampler.name,
                sampler.steps,
                sampler.eta,
                source is not None,
                len(own),
                None if prompts is None else prompts * len(own),
                _evaluations(own, source, entry),
                _is_assumed(source, entry, sampler),
                source.guided_by() if source is not None else "",
            )
            for sampler, own in points.items()
        ]
    return curves


def first_point(spec: ExperimentSpec, found: Found) -> tuple[Source, Settings] | None:
    """Return the first checkpoint that is on this machine, with the first settings of the spec."""
    compiled = compiles(spec.compile, best_device())
    for entry in spec.checkpoints:
        if entry.name in found.sources:
            first = Point(spec.samplers[0], PLAIN, spec.guidance_scales[0])
            settings = settings_of(spec, first, compiled=compiled)
            return found.sources[entry.name], settings
    return None


def _evaluations(points: Sequence[Point], source: Source | None, entry: ModelEntry) -> tuple[int, ...] | None:
    if _is_assumed(source, entry, points[0].sampler):
        doubles = not isinstance(source, PipelineSource) or pipeline_guidance(source).doubles
        return tuple(point.sampler.steps * (2 if doubles and point.scale != 1 else 1) for point in points)
    schedule = source.model_config.schedule if isinstance(source, ReferenceSource) else ScheduleConfig()
    try:
        return tuple(evaluations_of(point, schedule) for point in points)
    except ValueError:
        return None


def _is_assumed(source: Source | None, entry: ModelEntry, sampler: SamplerSpec) -> bool:
    of_reference = isinstance(source, ReferenceSource) or (source is None and entry.diffusers is None)
    return belongs_to_model(sampler.name) or not of_reference
