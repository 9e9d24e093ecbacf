"""The images that raise a cell's distance the most: where to look when a value is bad."""

from __future__ import annotations

import pandas as pd

from reports.album import Wanted
from reports.sections._ranked import as_wanted, ranked
from reports.sections._section import Absent, Material, Section
from reports.standing import standing
from reports.wording import signed

__all__ = ["influence"]

_TITLE = "Images that raise the distance most"
_COUNT = 6


def influence(material: Material) -> Section | Absent:
    """Return the images of each cell with the largest influence on the first distance that stores any."""
    run = material.run
    if run.images is None:
        return Absent(_TITLE, "images.parquet is missing: sdbench score writes it")
    names = dict.fromkeys(run.results.loc[run.results["better"] == "lower", "protocol"])
    protocol = next((str(name) for name in names if f"influence_{name}" in run.images), None)
    if protocol is None:
        return Absent(_TITLE, "images.parquet holds no influence of single images on a distance")
    column = f"influence_{protocol}"
    stand = standing(run, protocol)
    chosen = {
        str(cell): _costliest(rows, column, stand.places + 2)
        for cell, rows in run.images.groupby("cell", observed=True)
    }
    for rank in range(_COUNT):
        material.album.add([wanted[rank] for wanted in chosen.values() if rank < len(wanted)])
    cells = [(cell, name, ranked(material.album, chosen.get(cell, []))) for cell, name in run.names.items()]
    return Section(
        _TITLE,
        {
            "cells": cells,
            "choices": list(run.names.items()),
            "label": stand.label,
            "best": str(stand.best["cell"]),
        },
    )


def _costliest(rows: pd.DataFrame, column: str, places: int) -> list[Wanted]:
    most = rows[rows[column].notna()].sort_values(column, ascending=False, kind="stable").head(_COUNT)
    return as_wanted(most, [signed(value, places) for value in most[column]])
