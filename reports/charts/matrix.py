"""All pairs of cells as a matrix of differences, grouped by curve."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from reports.charts._parts import Chart, layout, numbers
from reports.escaping import in_chart
from reports.standing import SETTLED
from reports.wording import cut_start

__all__ = ["matrix_chart"]

_FIELDS = ["difference", "low", "high", "p_value", "p_holm"]
#: In pixels: a field's edge, a letter of a name, room for the guidance scales, the colour bar.
_EDGE, _LETTER, _SCALES, _BAR = 21, 6, 40, 92
_FEWEST_PIXELS = 300
_NAME_LETTERS = 30

_PAIR = (
    "%{text}<br>difference %{customdata[0]:.4g}"
    "<br>95% interval %{customdata[1]:.4g} to %{customdata[2]:.4g}"
    "<br>p = %{customdata[3]:.2g}, corrected %{customdata[4]:.2g}<extra></extra>"
)


def matrix_chart(pairs: pd.DataFrame, cells: pd.DataFrame, lower_is_better: bool) -> Chart:
    """Return the differences row - column between one protocol's cells, in the order of ``cells``.

    ``cells`` has the columns cell, curve, guidance_scale and short, curve by curve. Colours say whether the
    row is better or worse than the column, whatever the sign of the difference. Only settled differences
    have one; the others, and pairs without a test, are grey. ``names`` are those of the cells, for the
    page's script, which composes the texts of the fields.
    """
    fields = _fields(pairs, cells["cell"].tolist())
    better = fields[..., 0] * (-1 if lower_is_better else 1)
    settled = np.where(fields[..., 4] < SETTLED, better, np.nan)
    grey = np.where(np.isnan(settled) & ~np.isnan(better), 0.0, np.nan)
    # A scale up to the largest difference would leave the others without colour.
    reach = float(np.nanquantile(np.abs(settled), 0.9)) if np.isfinite(settled).any() else 1.0
    axis = [
        [in_chart(cut_start(name, _NAME_LETTERS)) for name in cells["curve"]],
        [f"{s:g}" for s in cells["guidance_scale"]],
    ]
    common = {
        "type": "heatmap",
        "x": axis,
        "y": axis,
        "xgap": 1,
        "ygap": 1,
        "customdata": numbers(fields),
        "hovertemplate": _PAIR,
    }
    flat = [[0, "var(--open)"], [1, "var(--open)"]]
    data = [
        common | {"z": numbers(grey), "colorscale": flat, "showscale": False},
        common | {"z": numbers(settled), "zmin": -reach, "zmax": reach, **_colours(reach)},
    ]
    curves = [cut_start(name, _NAME_LETTERS) for name in dict.fromkeys(cells["curve"])]
    names = [in_chart(cut_start(name, _NAME_LETTERS)) for name in cells["short"]]
    return {"data": data, "layout": _layout(), "sizes": _sizes(curves, len(cells)), "names": names}


def _colours(reach: float) -> Chart:
    scale = [
        [0, "var(--worse)"],
        [0.5, "var(--little-worse)"],
        [0.5, "var(--little-better)"],
        [1, "var(--better)"],
    ]
    bar = {
        "thickness": 12,
        "outlinewidth": 0,
        "tickvals": numbers(np.array([-reach, 0, reach])),
        "ticktext": [f"worse<br>by {reach:.2g}", "equal", f"better<br>by {reach:.2g}"],
    }
    return {"colorscale": scale, "colorbar": bar}


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
    bare = {
        "tickfont": {"size": 10.5},
        "showgrid": False,
        "zeroline": False,
        "fixedrange": True,
        "showdividers": True,
        "dividercolor": "var(--ink)",
        "dividerwidth": 1,
    }
    return layout(bare | {"side": "top", "tickangle": 0}, bare | {"autorange": "reversed"})


def _sizes(names: Sequence[str], cells: int) -> Chart:
    """Return a size with room for every name. It is the same on all screens; narrow ones scroll."""
    words = _SCALES + 14 + _LETTER * max(map(len, names))
    field = max(_FEWEST_PIXELS, _EDGE * cells)
    size = {
        "width": words + field + _BAR,
        "height": _SCALES + field + 30,
        "margin": {"l": words, "t": _SCALES + 18, "r": _BAR, "b": 12},
    }
    return {"wide": size, "narrow": size}
