"""The `budget` entry of a spec."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from sdbench.core.errors import did_you_mean

__all__ = ["Budget"]

_UNTIL = re.compile(r"(\S+?)\s*(?:\+-|\+/-|±)\s*(\d*\.?\d+(?:e-?\d+)?)", re.ASCII | re.IGNORECASE)


class Budget(BaseModel):
    """When a cell has enough prompts: when its interval is narrow, or when a question is settled.

    Attributes:
        until: "PROTOCOL +- HALF-WIDTH": stop a cell when its interval is this narrow.
        resolve: "ranking": stop when the order of the cells is known. "best-scale": stop when it is known,
            up to neighbours, at which guidance scale each curve is best.
        protocol: The metric that `resolve` goes by; by default the first metric of the spec.
        confidence: Of each cell's interval (`until`), or of all statements of the verdict together
            (`resolve`).
    """

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    until: str | None = None
    resolve: Literal["ranking", "best-scale"] | None = None
    protocol: str | None = None
    confidence: Annotated[float, Field(strict=True, ge=0.5, le=0.9999, allow_inf_nan=False)] = 0.95

    @model_validator(mode="after")
    def _one_way_to_stop(self) -> Budget:
        if (self.until is None) == (self.resolve is None):
            raise ValueError('give either until: "PROTOCOL +- HALF-WIDTH" or resolve: ranking or best-scale')
        if self.until is None:
            return self
        if self.protocol is not None:
            raise ValueError("protocol belongs to resolve; until names its own protocol")
        match = _UNTIL.fullmatch(self.until.strip())
        if match is None:
            raise ValueError(
                f"until: {self.until!r} is not PROTOCOL +- HALF-WIDTH, as in 'fd-shapes-clip +- 0.3'"
            )
        if float(match[2]) == 0:
            raise ValueError("until: the half-width must be above 0")
        return self

    @property
    def half_width(self) -> float | None:
        """The half-width in `until`; None without `until`."""
        return None if self.until is None else float(self._parts(self.until)[1])

    def protocol_of(self, metrics: Sequence[str]) -> str:
        """Return the metric that decides; ValueError if it is not one of `metrics`."""
        named = self.protocol if self.until is None else self._parts(self.until)[0]
        if named is None:
            return metrics[0]
        if named not in metrics:
            raise ValueError(f"{named!r} is not among the metrics: {did_you_mean(named, metrics)}")
        return named

    @staticmethod
    def _parts(until: str) -> tuple[str, str]:
        match = _UNTIL.fullmatch(until.strip())
        assert match is not None  # validated
        return match[1], match[2]
