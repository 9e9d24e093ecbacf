"""What `checkpoints` and `samplers` in a spec may say. Names are looked up when a run is prepared."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from sdbench.spec.model_entry import WEIGHTS_SUFFIXES, ModelEntry
from sdbench.spec.values import Part

__all__ = ["CheckpointEntry", "SamplerSpec"]


def _from_text(value: Any) -> Any:
    if isinstance(value, str):
        looks_like_path = "/" in value or value.endswith(WEIGHTS_SUFFIXES)
        return {"name": _stem(value), "path": value} if looks_like_path else {"name": value}
    return value


def _stem(path: str) -> str:
    """The last part without the ending of a file; a folder such as stable-diffusion-v1.4 keeps its own."""
    last = Path(path)
    return last.stem if last.suffix in WEIGHTS_SUFFIXES else last.name


CheckpointEntry = Annotated[ModelEntry, BeforeValidator(_from_text)]
"""A model of the experiment: a known name, any name with its weights, or a path alone."""


class SamplerSpec(Part):
    """A sampler with its number of steps; `eta` is the share of fresh noise at each DDIM step.

    A name of `reference_model.samplers`, an installed sampler, `module:function`, or one of the model's own.
    """

    name: str
    steps: Annotated[int, Field(strict=True, ge=1, le=1000)]
    eta: Annotated[float, Field(strict=True, ge=0, le=1, allow_inf_nan=False)] = 0.0
