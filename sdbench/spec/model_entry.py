"""How a spec, or a YAML file of the user's, describes a model. Paths are as written, not yet looked up."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, StringConstraints, model_validator

__all__ = ["WEIGHTS_SUFFIXES", "ModelEntry", "Name"]

WEIGHTS_SUFFIXES = (".ckpt", ".safetensors")
"""Suffixes of weights files; they distinguish a path from a name."""

Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]


class ModelEntry(BaseModel):
    """A known model by its name, or weights under a new name.

    Attributes:
        name: The name of the model in results.
        path: Weights that the reference model runs: a .ckpt or .safetensors file, a diffusers folder, or
            the hub id of one.
        config: Configuration of the weights at `path`; by default Stable Diffusion v1's for a file, and a
            folder's own.
        use_ema: Whether to use the weights averaged during training; by default what `config` says.
        diffusers: A folder or hub id of a pipeline that the diffusers library runs.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

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
                "diffusers runs the whole pipeline in the diffusers library"
            )
        if self.path is None and self.config is not None:
            raise ValueError("config needs path: named checkpoints have their own configuration")
        if self.diffusers is not None and self.use_ema is not None:
            raise ValueError("use_ema needs path: a diffusers pipeline has only one set of weights")
        return self
