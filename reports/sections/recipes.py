"""Recipes: groups of checkpoints that were trained alike, and which of them differ."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from reports.runs import Run
from reports.sections._embedded import embedded
from reports.sections._section import Absent, Material, Section
from reports.standing import SETTLED
from reports.wording import decimals, interval, number, p_value, signed

__all__ = ["recipes"]

_TITLE = "Recipes"


@dataclass(frozen=True)
class RecipeLine:
    """A recipe at a guidance scale: its checkpoints, its value with interval, and the parts of the error."""

    recipe: str
    scale: str
    checkpoints: str
    value: str
    span: str
    of_checkpoints: str
    of_images: str


@dataclass(frozen=True)
class RecipeView:
    """The recipes by one protocol, and a sentence for each pair of them."""

    protocol: str
    label: str
    lines: list[RecipeLine]
    pairs: list[str]


def recipes(material: Material) -> Section | Absent:
    """Return the recipes' values; absent if the spec groups no checkpoints."""
    run = material.run
    table, pairs = run.recipes, run.recipe_comparisons
    if table is None or pairs is None or table.empty:
        return Absent(_TITLE, "the spec has no groups of checkpoints of one recipe (group:)")
    views = [_view(run, str(name), rows, pairs) for name, rows in table.groupby("protocol", sort=False)]
    files = [(name, embedded(run, name)) for name in ("recipes.csv", "recipe_comparisons.csv")]
    return Section(_TITLE, {"views": views, "files": files})


def _view(run: Run, protocol: str, rows: pd.DataFrame, pairs: pd.DataFrame) -> RecipeView:
    result = run.of_protocol(protocol).iloc[0]
    places = decimals(rows)
    lines = [
        RecipeLine(
            row["recipe"],
            f"{row['guidance_scale']:g}",
            f"{row['checkpoints']:g}",
            number(row["value"], places),
            interval(row["low"], row["high"], places),
            number(row["of_checkpoints"], places),
            number(row["of_images"], places),
        )
        for row in rows.to_dict("records")
    ]
    mine = pairs[pairs["protocol"] == protocol]
    lower = result["better"] == "lower"
    sentences = [_sentence(row, lower=lower, places=places) for _, row in mine.iterrows()]
    return RecipeView(protocol, str(result["label"]), lines, sentences)


def _sentence(row: pd.Series, *, lower: bool, places: int) -> str:
    """Return which recipe is better, and whether that holds for other checkpoints of both."""
    better, worse, gap = row["a"], row["b"], float(row["difference"])
    low, high = row["low"], row["high"]
    if (gap < 0) != lower:
        better, worse, gap, low, high = worse, better, -gap, -high, -low
    if pd.isna(row["p_holm"]):
        return f"{better} is ahead of {worse} ({signed(gap, places)}), without an error."
    state = "settled" if row["p_holm"] < SETTLED else "not settled"
    bounds = interval(low, high, places)
    gap_words = f"{signed(gap, places)} (95% interval {bounds})"
    return f"{better} is ahead of {worse}: {gap_words}, {p_value(row['p_holm'])}, {state}."
