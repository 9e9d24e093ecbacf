"""Names of samplers that a model brings itself, unlike those of the reference model."""

from __future__ import annotations

__all__ = ["DEFAULT_SAMPLER", "DIFFUSERS_PREFIX", "belongs_to_model"]

DEFAULT_SAMPLER = "default"
"""The sampler that a model uses by default."""

DIFFUSERS_PREFIX = "diffusers:"
"""Prefix of the name of a scheduler class of the diffusers library."""


def belongs_to_model(sampler: str) -> bool:
    """Return whether only the model can tell what `sampler` is."""
    return sampler == DEFAULT_SAMPLER or sampler.startswith(DIFFUSERS_PREFIX)
