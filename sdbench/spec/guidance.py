"""The `guidance` of a spec: ways of guiding beside plain scales. Names are looked up later."""

from __future__ import annotations

from typing import Any, Literal
from urllib.parse import quote

from pydantic import BaseModel, ConfigDict, model_validator

from sdbench.spec.values import Scale, Text

__all__ = ["PLAIN", "GuidanceEntry"]

PLAIN = "cfg"
"""Classifier-free guidance without further settings, which `guidance_scales` stands for."""


class GuidanceEntry(BaseModel):
    """A way of guiding at one scale, with its settings.

    Attributes:
        name: A method of `reference_model.guidance_methods`, `module:function` or `file.py:function`.
        scale: Its scale.
        control: "cfg" adds cells of plain guidance to compare with: at the same scale, and at that scale with
            as many evaluations per image.
    """

    model_config = ConfigDict(frozen=True, extra="allow", defer_build=True)

    name: Text
    scale: Scale
    control: Literal["cfg"] | None = None

    @model_validator(mode="before")
    @classmethod
    def _is_a_mapping(cls, value: Any) -> Any:
        if isinstance(value, str):
            raise ValueError(f"{value!r} lacks a scale; write {{name: {value}, scale: 7.5}}")
        return value

    @model_validator(mode="after")
    def _settings_are_plain(self) -> GuidanceEntry:
        for key, value in self.settings.items():
            if not isinstance(value, int | float | str) or isinstance(value, bool):
                raise ValueError(f"{key}: {value!r} is neither a number nor a text")
        if self.control and self.name == "cfg++":
            raise ValueError("control: the scale of cfg++ is none of cfg; compare with guidance_scales")
        return self

    @property
    def settings(self) -> dict[str, Any]:
        """Further keys of the entry."""
        return dict(self.model_extra or {})

    @property
    def method(self) -> str:
        """The name with its settings in alphabetical order, such as "interval?from=0.2&to=0.8"."""
        pairs = [
            f"{key}={quote(format(value, 'g') if isinstance(value, float) else str(value), safe='')}"
            for key, value in sorted(self.settings.items())
        ]
        return f"{self.name}?{'&'.join(pairs)}" if pairs else self.name
