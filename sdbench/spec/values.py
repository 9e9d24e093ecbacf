"""Value types that the parts of a spec share."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainValidator, StringConstraints

__all__ = ["FEWEST", "BatchSize", "Count", "Part", "Scale", "Seed", "Switch", "Text"]

FEWEST = 2
"""Fewest images that have a covariance."""

Count = Annotated[int, Field(strict=True, ge=1)]
Seed = Annotated[int, Field(strict=True, ge=0, lt=2**63)]
Scale = Annotated[float, Field(strict=True, gt=0, le=100, allow_inf_nan=False)]
Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]


class Part(BaseModel):
    """A mapping in a spec: frozen, and unknown keys are errors."""

    # Validators are built on first use: a part alone is seldom validated, and building takes time.
    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)


def _batch_size(value: Any) -> Any:
    if value == "auto" or (type(value) is int and value >= 1):
        return value
    raise ValueError(f"{value!r}; allowed: a whole number above 0, or auto")


def _on_or_off(value: Any) -> Any:
    # YAML reads the words on and off as true and false.
    return {True: "on", False: "off"}.get(value, value) if isinstance(value, bool) else value


BatchSize = Annotated[
    int | Literal["auto"], PlainValidator(_batch_size, json_schema_input_type=Count | Literal["auto"])
]
Switch = Annotated[
    Literal["auto", "on", "off"],
    BeforeValidator(_on_or_off, json_schema_input_type=Literal["auto", "on", "off"] | bool),
]
