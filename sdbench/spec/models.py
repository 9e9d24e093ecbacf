"""The `checkpoints` and `samplers` of a spec. Names are looked up when a run is prepared."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from sdbench.spec.model_entry import ModelEntry, Name, entry_of_text
from sdbench.spec.values import Part

__all__ = ["CheckpointEntry", "CheckpointSpec", "SamplerSpec"]


class CheckpointSpec(ModelEntry):
    """A model of the experiment.

    Attributes:
        group: The recipe that it was trained by, if the spec has other checkpoints of it, from other seeds.
    """

    group: Name | None = None


def _from_text(value: Any) -> Any:
    return entry_of_text(value) if isinstance(value, str) else value


CheckpointEntry = Annotated[
    CheckpointSpec, BeforeValidator(_from_text, json_schema_input_type=str | CheckpointSpec)
]
"""A model of the experiment: a known name, a name with its weights, or just a path."""


class SamplerSpec(Part):
    """A sampler with its number of steps.

    Attributes:
        name: One of `reference_model.samplers`, an installed sampler, `module:function`,
            `file.py:function`, or a sampler of the model itself.
        steps: Number of sampling steps.
        eta: Share of fresh noise in each step of DDIM, 0 to 1.
    """

    name: str
    steps: Annotated[int, Field(strict=True, ge=1, le=1000)]
    eta: Annotated[float, Field(strict=True, ge=0, le=1, allow_inf_nan=False)] = 0.0
