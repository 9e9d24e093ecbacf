"""What a spec's `budget` entry may say."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from sdbench.core.errors import did_you_mean

__all__ = ["Budget"]

_UNTIL = re.compile(r"(\S+?)\s*(?:\+-|\+/-|±)\s*(\d*\.?\d+(?:e-?\d+)?)", re.ASCII | re.IGNORECASE)


class Budget(BaseModel):
    """When a cell has prompts enough: `until` its interval is narrow, or until the ranking is settled.

    `until` is "PROTOCOL +- HALF-WIDTH". `resolve: ranking` ranks by `protocol`, without one by the first
    metric of the spec. `confidence` is that of each cell's interval (`until`), or of all that is said of the
    order (`resolve`).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    until: str | None = None
    resolve: Literal["ranking"] | None = None
    protocol: str | None = None
    confidence: Annotated[float, Field(strict=True, ge=0.5, le=0.9999, allow_inf_nan=False)] = 0.95

    @model_validator(mode="after")
    def _one_way_to_stop(self) -> Budget:
        if (self.until is None) == (self.resolve is None):
            raise ValueError('give either until: "PROTOCOL +- HALF-WIDTH" or resolve: ranking')
        if self.until is None:
            return self
        if self.protocol is not None:
            raise ValueError("protocol goes with resolve: until names its own")
        match = _UNTIL.fullmatch(self.until.strip())
        if match is None:
            raise ValueError(
                f"until: {self.until!r} is not PROTOCOL +- HALF-WIDTH, as in 'fd-shapes-clip +- 0.3'"
            )
        if float(match[2]) == 0:
            raise ValueError("until: a half-width must be above 0")
        return self

    @property
    def half_width(self) -> float | None:
        """The half-width that `until` names."""
        return None if self.until is None else float(self._parts(self.until)[1])

    def protocol_of(self, metrics: Sequence[str]) -> str:
        """The protocol that decides, one of the spec's metrics; ValueError where it is none of them."""
        named = self.protocol if self.until is None else self._parts(self.until)[0]
        if named is None:
            return metrics[0]
        if named not in metrics:
            raise ValueError(f"budget: {named!r} is not among the metrics: {did_you_mean(named, metrics)}")
        return named

    @staticmethod
    def _parts(until: str) -> tuple[str, str]:
        match = _UNTIL.fullmatch(until.strip())
        assert match is not None  # validated
        return match[1], match[2]
