"""The best and worst prompts of each cell, by the scores of single images."""

from __future__ import annotations

import pandas as pd

from reports.album import Wanted
from reports.sections._ranked import Ranked, as_wanted, ranked
from reports.sections._section import Absent, Material, Section
from reports.standing import standing
from reports.wording import number

__all__ = ["extremes"]

_TITLE = "Best and worst prompts"
#: Images at each end.
_COUNT = 4
_DECIMALS = 3


def extremes(material: Material) -> Section | Absent:
    """Return the images of each cell with the highest and lowest scores; absent without such scores."""
    run, score = material.run, material.run.first("higher")
    if run.images is None:
        return Absent(_TITLE, "images.parquet is missing: sdbench score writes it")
    column = f"score_{score}"
    if score is None or column not in run.images:
        return Absent(_TITLE, "images.parquet holds no score of single images: name a CLIP score in the spec")
    chosen = {str(cell): _ends(rows, column) for cell, rows in run.images.groupby("cell", observed=True)}
    for rank in range(2 * _COUNT):
        material.album.add([wanted[rank] for wanted in chosen.values() if rank < len(wanted)])
    cells = []
    for cell, name in run.names.items():
        pictures = ranked(material.album, chosen.get(cell, []))
        half = (len(pictures) + 1) // 2
        cells.append((cell, name, pictures[:half], pictures[half:]))
    hard = _hardest(run.images, column)
    stand = standing(run, score)
    return Section(
        _TITLE,
        {
            "cells": cells,
            "choices": list(run.names.items()),
            "label": stand.label,
            "best": _first_cell(material),
            "hard": hard,
        },
    )


def _ends(rows: pd.DataFrame, column: str) -> list[Wanted]:
    """Return the best images of a cell, then the worst, worst first. Equal scores keep the run's order."""
    known = rows[rows[column].notna()].sort_values(column, ascending=False, kind="stable")
    each = min(_COUNT, len(known) // 2)
    ends = pd.concat([known.head(each), known.tail(each)[::-1]])
    return as_wanted(ends, [f"score {number(value, _DECIMALS)}" for value in ends[column]])


def _hardest(images: pd.DataFrame, column: str) -> list[Ranked]:
    """Return the prompts with the lowest mean score over all cells."""
    means = images.groupby("prompt_id", observed=True, sort=False).agg(
        prompt=("prompt", "first"), mean=(column, "mean")
    )
    worst = means.sort_values("mean", kind="stable").head(_COUNT + 1)
    return [
        Ranked(str(prompt), number(mean, _DECIMALS), None)
        for prompt, mean in zip(worst["prompt"], worst["mean"], strict=True)
    ]


def _first_cell(material: Material) -> str:
    """Return the cell that the verdict names, with which the section opens."""
    run = material.run
    return str(standing(run, str(run.first("lower") or run.first("higher"))).best["cell"])
