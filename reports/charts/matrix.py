"""All pairs of cells as a matrix of differences."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from reports.charts._parts import Chart, layout, numbers
from reports.escaping import in_chart
from reports.standing import SETTLED

__all__ = ["matrix_chart"]

_FIELDS = ["difference", "low", "high", "p_value", "p_holm"]
#: In pixels: a field's edge, a letter of a name, the colour bar.
_EDGE, _LETTER, _BAR = 21, 6, 90
_FEWEST_PIXELS = 300

_PAIR = (
    "<b>%{y}</b><br>minus <b>%{x}</b><br>difference %{customdata[0]:.4g}"
    "<br>95% interval %{customdata[1]:.4g} to %{customdata[2]:.4g}"
    "<br>p = %{customdata[3]:.2g}, corrected %{customdata[4]:.2g}<extra></extra>"
)


def matrix_chart(pairs: pd.DataFrame, order: Sequence[str], names: Sequence[str]) -> Chart:
    """Return the differences row - column between one protocol's cells, in ``order``, best first.

    Only settled differences have a colour; the others, and pairs without a test, are grey.
    """
    fields = _fields(pairs, order)
    difference, corrected = fields[..., 0], fields[..., 4]
    settled = np.where(corrected < SETTLED, difference, np.nan)
    grey = np.where(np.isnan(settled) & ~np.isnan(difference), 0.0, np.nan)
    # A scale up to the largest difference would leave the others without colour.
    reach = float(np.nanquantile(np.abs(settled), 0.9)) if np.isfinite(settled).any() else 1.0
    common = {
        "type": "heatmap",
        "x": list(map(in_chart, names)),
        "y": list(map(in_chart, names)),
        "xgap": 1,
        "ygap": 1,
        "customdata": numbers(fields),
        "hovertemplate": _PAIR,
    }
    flat = [[0, "var(--open)"], [1, "var(--open)"]]
    scale = [
        [0, "var(--below)"],
        [0.5, "var(--little-below)"],
        [0.5, "var(--little-above)"],
        [1, "var(--above)"],
    ]
    bar = {"thickness": 12, "outlinewidth": 0, "title": {"text": "row minus column", "side": "right"}}
    data = [
        common | {"z": numbers(grey), "colorscale": flat, "showscale": False},
        common | {"z": numbers(settled), "zmin": -reach, "zmax": reach, "colorscale": scale, "colorbar": bar},
    ]
    return {"data": data, "layout": _layout(), "sizes": _sizes(names)}


def _fields(pairs: pd.DataFrame, order: Sequence[str]) -> np.ndarray:
    """Return [cells, cells, fields]: row - column, its interval and its p-values, NaN if missing."""
    place = {cell: number for number, cell in enumerate(order)}
    fields = np.full((len(order), len(order), len(_FIELDS)), np.nan)
    a, b = pairs["a"].map(place).to_numpy(), pairs["b"].map(place).to_numpy()
    turned = pairs.assign(difference=-pairs["difference"], low=-pairs["high"], high=-pairs["low"])
    fields[a, b] = pairs[_FIELDS].to_numpy(float)
    fields[b, a] = turned[_FIELDS].to_numpy(float)
    return fields


def _layout() -> Chart:
    bare = {"tickfont": {"size": 10.5}, "showgrid": False, "zeroline": False, "fixedrange": True}
    return layout(bare | {"tickangle": -90, "side": "top"}, bare | {"autorange": "reversed"})


def _sizes(names: Sequence[str]) -> Chart:
    """Return a size with room for every name. It is the same on all screens; narrow ones scroll."""
    words = 14 + _LETTER * max(map(len, names))
    field = max(_FEWEST_PIXELS, _EDGE * len(names))
    size = {
        "width": words + field + _BAR,
        "height": words + field + 12,
        "margin": {"l": words, "t": words, "r": _BAR, "b": 12},
    }
    return {"wide": size, "narrow": size}
