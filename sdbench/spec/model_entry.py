"""How a spec, or a YAML file of the user's, describes a model. Paths are as written, not yet looked up."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

__all__ = ["WEIGHTS_SUFFIXES", "ModelEntry", "Name", "entry_of_text"]

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
        base: The weights that `lora` changes: a known name, or a path.
        lora: A LoRA file, which is merged into the weights of `base`.
        weight: What its change is multiplied with; by default 1, as it was trained.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    name: Name
    path: str | None = None
    config: str | None = None
    use_ema: bool | None = None
    diffusers: str | None = None
    base: str | None = None
    lora: str | None = None
    weight: Annotated[float, Field(strict=True, ge=-10, le=10, allow_inf_nan=False)] | None = None

    @model_validator(mode="before")
    @classmethod
    def _named_after_its_parts(cls, value: Any) -> Any:
        """Name a LoRA that has no name: sd-v1-4_mine_0.8."""
        if isinstance(value, dict) and "name" not in value:
            base, lora, weight = value.get("base"), value.get("lora"), value.get("weight")
            if isinstance(base, str) and isinstance(lora, str):
                number = "" if weight is None else f"_{weight}"
                return {**value, "name": f"{_stem(base)}_{_stem(lora)}{number}"}
        return value

    @model_validator(mode="after")
    def _lora_has_a_base(self) -> ModelEntry:
        if (self.base is None) != (self.lora is None):
            raise ValueError("base and lora need each other: base is the checkpoint that the LoRA changes")
        if self.lora is None and self.weight is not None:
            raise ValueError("weight needs lora, whose change it multiplies")
        given = [key for key in ("path", "config", "use_ema", "diffusers") if getattr(self, key) is not None]
        if self.base is not None and given:
            raise ValueError(
                f"base and {given[0]} exclude each other; describe the base in a file of its own "
                "in ${SDBENCH_HOME}/models and give its name"
            )
        return self

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


def entry_of_text(text: str) -> dict[str, str]:
    """Return the keys of the entry that a name or a path stands for."""
    looks_like_path = "/" in text or text.endswith(WEIGHTS_SUFFIXES)
    return {"name": _stem(text), "path": text} if looks_like_path else {"name": text}


def _stem(path: str) -> str:
    """Return the last part of a path, less the suffix of a weights file: v1.4 keeps its .4."""
    last = Path(path)
    return last.stem if last.suffix in WEIGHTS_SUFFIXES else last.name
