"""Names of samplers that belong to the model itself and not to the reference model."""

from __future__ import annotations

__all__ = ["DEFAULT_SAMPLER", "DIFFUSERS_PREFIX", "belongs_to_model"]

DEFAULT_SAMPLER = "default"
"""Whatever the model samples by when it is left alone."""

DIFFUSERS_PREFIX = "diffusers:"
"""Before the name of a scheduler class of the diffusers library."""


def belongs_to_model(sampler: str) -> bool:
    """Whether only the model can say what `sampler` is."""
    return sampler == DEFAULT_SAMPLER or sampler.startswith(DIFFUSERS_PREFIX)
