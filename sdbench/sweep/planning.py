"""Makes the cells of a spec from the checkpoints that were found."""

from __future__ import annotations

from collections.abc import Sequence

from sdbench.core.precision import compiles
from sdbench.models.guidance import guidance_identity
from sdbench.models.registry import Checkpoint
from sdbench.models.samplers import sampler_identity
from sdbench.models.settings import Settings
from sdbench.runs.plan import Cell
from sdbench.spec import ExperimentSpec
from sdbench.sweep.points import Point, points_of

__all__ = ["make_cells", "settings_of"]


def settings_of(spec: ExperimentSpec, point: Point, *, compiled: bool) -> Settings:
    """Return what a model is asked to do at one point of the sweep."""
    sampler = point.sampler
    height, width = spec.height_width
    return Settings(
        sampler=sampler.name,
        steps=sampler.steps,
        eta=sampler.eta,
        guidance_scale=point.scale,
        height=height,
        width=width,
        seed=spec.seed,
        precision=spec.precision,
        compiled=compiled,
        negative_prompt=spec.negative_prompt if isinstance(spec.negative_prompt, str) else "",
        guidance=point.guidance,
    )


def make_cells(
    spec: ExperimentSpec, checkpoints: Sequence[Checkpoint], device: str = "cpu"
) -> tuple[Cell, ...]:
    """Return the cells of `spec`, in the order of the results.

    Checkpoints vary slowest, because loading one is the most expensive change; then samplers, then scales and
    ways of guiding.

    Args:
        spec: The experiment.
        checkpoints: The checkpoints of the spec, found and identified.
        device: Decides whether models are compiled if the spec leaves that open.
    """
    compiled = compiles(spec.compile, device)
    return tuple(
        Cell(
            checkpoint.name,
            settings_of(spec, point, compiled=compiled),
            checkpoint.weights_digest,
            checkpoint.config_digest,
            sampler_identity(point.sampler.name),
            checkpoint.source.guided_by(),
            guidance_identity(point.guidance),
        )
        for checkpoint in checkpoints
        for point in points_of(spec, checkpoint.source)
    )
