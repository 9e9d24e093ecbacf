"""The plane, distance against score: pointing at a cell shows its values and images."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import pandas as pd

from reports.charts import plane_chart
from reports.plots import distance_against_score
from reports.runs import Run
from reports.sections._section import Absent, Material, Section
from reports.sections._still import still
from reports.standing import standing
from reports.wording import count, duration, interval, signed, with_interval

__all__ = ["picture"]

_TITLE = "Distance against score"


@dataclass(frozen=True)
class CellFacts:
    """A cell's facts as (word, text); the card at the pointer shows the first ``lead`` of them."""

    cell: str
    name: str
    curve: str
    facts: list[tuple[str, str]]
    lead: int


def picture(material: Material) -> Section | Absent:
    """Return the chart, a static copy for print, and every cell's facts; absent without both axes."""
    run = material.run
    distance, score = run.first("lower"), run.first("higher")
    if distance is None or score is None:
        has, lacks = ("score", "distance") if distance is None else ("distance", "score")
        return Absent(_TITLE, f"the run measured a {has} and no {lacks}: name both among the spec's metrics")
    cells, stand = cell_facts(run, [distance, score]), standing(run, distance)
    regions = run.regions is not None and set(run.names) <= set(run.regions["cell"])
    return Section(
        f"{_short(run, distance)} against {_short(run, score)}",
        {
            "figure": plane_chart(run),
            "still": still(distance_against_score(run.results, run.regions)),
            "cells": cells,
            "groups": _by_curve(cells),
            "best": str(stand.best["cell"]),
            "below_zero": stand.below_zero,
            "regions": regions,
            "settings": _settings(run.results),
        },
    )


def cell_facts(run: Run, leading: list[str]) -> list[CellFacts]:
    """Return the facts of every cell, those of the ``leading`` protocols first."""
    names = [*leading, *(name for name in dict.fromkeys(run.results["protocol"]) if name not in leading)]
    columns = [_values(run, name) for name in names] + [_against_best(run, name) for name in leading]
    rows = {str(row["cell"]): row for row in run.results.drop_duplicates("cell").to_dict("records")}
    made = []
    for cell in run.cells.to_dict("records"):
        facts = [(word, texts[cell["cell"]]) for word, texts in columns if cell["cell"] in texts]
        row = rows[cell["cell"]]
        facts += [
            ("Images", count(row["n"])),
            ("Network evaluations per image", _known(row["nfe"])),
            ("Flagged images", _known(row["flagged"])),
        ]
        seconds = cell["seconds_per_image"]
        facts += [] if math.isnan(seconds) else [("Time per image", duration(seconds))]
        made.append(CellFacts(cell["cell"], cell["name"], cell["curve"], facts, len(leading)))
    return made


def _by_curve(cells: list[CellFacts]) -> list[tuple[str, list[CellFacts]]]:
    """Return the curves, each with its cells."""
    groups: dict[str, list[CellFacts]] = {}
    for cell in cells:
        groups.setdefault(cell.curve, []).append(cell)
    return list(groups.items())


def _values(run: Run, protocol: str) -> tuple[str, dict[str, str]]:
    stand = standing(run, protocol)
    rows = run.of_protocol(protocol)
    texts = [
        with_interval(value, error, stand.places)
        for value, error in zip(rows["value"], rows["standard_error"], strict=True)
    ]
    return stand.label, dict(zip(rows["cell"], texts, strict=True))


def _against_best(run: Run, protocol: str) -> tuple[str, dict[str, str]]:
    """Return how each cell differs from the best one."""
    stand = standing(run, protocol)
    texts = {str(stand.best["cell"]): "this is the best cell"}
    for rival in stand.rivals.to_dict("records"):
        text = signed(rival["difference"], stand.places)
        bounds = interval(rival["low"], rival["high"], stand.places)
        if bounds:
            text += f" ({bounds}), {'settled' if rival['settled'] else 'not settled'}"
        texts[str(rival["cell"])] = text
    return f"{stand.label.split(' (')[0]} against the best", texts


def _short(run: Run, protocol: str) -> str:
    """Return a protocol's label without its brackets."""
    return str(run.of_protocol(protocol)["label"].iloc[0]).split(" (")[0]


def _settings(results: pd.DataFrame) -> str:
    settings = (
        results["sampler"].str.upper() + ", " + results["steps"].astype(str) + " steps"
    ).drop_duplicates()
    size = ", ".join(dict.fromkeys(results["image_size"])).replace("x", " × ")
    return f"{' and '.join(settings)}; {size} pixels"


def _known(value: Any) -> str:
    return "not known" if pd.isna(value) else count(value)
