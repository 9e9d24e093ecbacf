"""What a spec or a YAML file of the user's says about a model. Paths are as written, not yet looked up."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, StringConstraints, model_validator

__all__ = ["WEIGHTS_SUFFIXES", "ModelEntry", "Name"]

WEIGHTS_SUFFIXES = (".ckpt", ".safetensors")
"""Endings of files of weights, which tell a path from a name."""

Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]


class ModelEntry(BaseModel):
    """A model by name, or any name with its weights.

    `path`: weights for the reference model: a .ckpt or .safetensors file, a diffusers folder or its hub id.
    `diffusers`: a folder or hub id that is run by the diffusers library, whatever pipeline it holds.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Name
    path: str | None = None
    config: str | None = None
    use_ema: bool | None = None
    diffusers: str | None = None

    @model_validator(mode="after")
    def _keys_fit(self) -> ModelEntry:
        if self.path is not None and self.diffusers is not None:
            raise ValueError(
                "path and diffusers exclude each other: path runs the weights in the reference model, "
                "diffusers runs the pipeline itself"
            )
        if self.path is None and self.config is not None:
            raise ValueError("config needs path: named checkpoints bring their own configuration")
        if self.diffusers is not None and self.use_ema is not None:
            raise ValueError("use_ema needs path: a diffusers pipeline holds one set of weights")
        return self
