"""What `checkpoints` and `samplers` in a spec may be."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, field_validator, model_validator

from sdbench.errors import InputError, did_you_mean
from sdbench.models.entry import ModelEntry
from sdbench.models.sampler_names import belongs_to_model
from sdbench.registry import SUFFIXES, known_names
from sdbench.spec.values import Part

__all__ = ["CheckpointOrName", "CheckpointSpec", "SamplerSpec"]


class CheckpointSpec(ModelEntry):
    """A model of the experiment: a known name, or any name with its weights."""

    @model_validator(mode="after")
    def _is_known(self) -> CheckpointSpec:
        if self.path is None and self.diffusers is None and self.name not in known_names():
            hint = did_you_mean(self.name, known_names())
            raise ValueError(f"unknown checkpoint {self.name!r}: {hint}; or a .ckpt or .safetensors path")
        return self


def _from_text(value: Any) -> Any:
    if isinstance(value, str):
        looks_like_path = "/" in value or value.endswith(SUFFIXES)
        return {"name": _stem(value), "path": value} if looks_like_path else {"name": value}
    return value


def _stem(path: str) -> str:
    """The last part without the ending of a file; a folder such as stable-diffusion-v1.4 keeps its own."""
    last = Path(path)
    return last.stem if last.suffix in SUFFIXES else last.name


CheckpointOrName = Annotated[CheckpointSpec, BeforeValidator(_from_text)]


class SamplerSpec(Part):
    """A sampler with its number of steps; `eta` is the share of fresh noise at each DDIM step.

    A name of `reference_model.samplers`, an installed sampler, `module:function`, or one of the model's own.
    """

    name: str
    steps: Annotated[int, Field(strict=True, ge=1, le=1000)]
    eta: Annotated[float, Field(strict=True, ge=0, le=1, allow_inf_nan=False)] = 0.0

    @field_validator("name")
    @classmethod
    def _is_known(cls, name: str) -> str:
        from sdbench.samplers import resolve_sampler

        if not belongs_to_model(name):
            try:
                resolve_sampler(name)
            except InputError as error:
                raise ValueError(str(error)) from None
        return name

    @model_validator(mode="after")
    def _eta_where_it_has_a_meaning(self) -> SamplerSpec:
        from sdbench.samplers import resolve_sampler

        if self.eta and not (belongs_to_model(self.name) or resolve_sampler(self.name).takes_eta):
            raise ValueError(f"eta must be 0 for {self.name}; ddim takes eta up to 1")
        return self
