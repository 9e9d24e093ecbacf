"""Rows of the tables of recipes: groups of checkpoints that were trained alike."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["RecipeComparisonRow", "RecipeRow"]


@dataclass(frozen=True)
class RecipeRow:
    """A protocol's value of a recipe at a guidance scale: the mean over its checkpoints, of n images each.

    `of_checkpoints` and `of_images` are the parts of the standard error that the spread between checkpoints
    and the images make; `low` and `high` bound the 95% interval.
    """

    recipe: str
    guidance_scale: float
    protocol: str
    value: float
    standard_error: float | None
    low: float | None
    high: float | None
    of_checkpoints: float
    of_images: float | None
    checkpoints: int
    n: int
    note: str


@dataclass(frozen=True)
class RecipeComparisonRow:
    """The difference a - b of two recipes: of their means over the guidance scales that both have.

    `p_holm` is corrected for the pairs of the protocol.
    """

    protocol: str
    a: str
    b: str
    difference: float
    standard_error: float | None
    low: float | None
    high: float | None
    p_value: float | None
    p_holm: float | None
    scales: int
    n: int
    note: str
