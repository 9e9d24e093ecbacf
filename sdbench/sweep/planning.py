"""From a spec and what was found for it to a plan."""

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
    """What a model is asked to do at one point of the sweep."""
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
    """The plan of `spec` for checkpoints, prompts and extractors (name -> identity) that were found.

    `device` decides whether models are compiled if the spec leaves that open. Checkpoints are outermost,
    because loading one is the dearest change; then samplers, scales, prompts.
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
