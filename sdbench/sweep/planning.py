"""Makes the plan of a spec from the checkpoints, prompts and extractors that were found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sdbench.data.prompts import Prompt
from sdbench.models.registry import Checkpoint
from sdbench.models.samplers import sampler_identity
from sdbench.models.settings import Settings
from sdbench.runs.plan import Cell, Plan, lay_out
from sdbench.spec import ExperimentSpec, SamplerSpec

__all__ = ["make_plan", "settings_of"]


def settings_of(
    spec: ExperimentSpec, sampler: SamplerSpec, guidance_scale: float, *, compiled: bool
) -> Settings:
    """Return what a model is asked to do at one point of the sweep."""
    height, width = spec.image_size
    return Settings(
        sampler=sampler.name,
        steps=sampler.steps,
        eta=sampler.eta,
        guidance_scale=guidance_scale,
        height=height,
        width=width,
        seed=spec.seed,
        precision=spec.precision,
        compiled=compiled,
    )


def make_plan(
    spec: ExperimentSpec,
    checkpoints: Sequence[Checkpoint],
    prompts: Sequence[Prompt],
    extractors: Mapping[str, str],
    device: str = "cpu",
) -> Plan:
    """Return the plan of `spec`.

    Checkpoints vary slowest, because loading one is the most expensive change; then samplers, scales,
    prompts.

    Args:
        spec: The experiment.
        checkpoints: The checkpoints of the spec, found and identified.
        prompts: The prompt set.
        extractors: Identities of the feature extractors by name.
        device: Decides whether models are compiled if the spec leaves that open.
    """
    compiled = spec.compiled_on(device)
    cells = [
        Cell(
            checkpoint.name,
            settings_of(spec, sampler, scale, compiled=compiled),
            checkpoint.weights_digest,
            checkpoint.config_digest,
            sampler_identity(sampler.name),
        )
        for checkpoint in checkpoints
        for sampler in spec.samplers
        for scale in spec.guidance_scales
    ]
    return lay_out(cells, prompts, spec.unit_size, extractors)
