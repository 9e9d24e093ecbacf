"""Parts of the charts: axes, layout, lines in the style of their curve, frames, numbers for JSON."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from reports.escaping import in_chart
from reports.plots.sheet import counts, styles_of
from reports.runs import Run
from reports.style import CurveStyle
from reports.wording import INTERVAL, cut_start

__all__ = [
    "Chart",
    "Frame",
    "axis",
    "bars",
    "colour",
    "curve_looks",
    "layout",
    "legend_name",
    "line",
    "numbers",
    "title",
]

Chart = dict[str, Any]
"""A plotly trace or layout, or a part of one. Colours may be var(--NAME), variables of the style sheet."""

#: plotly's names for the markers of the static plots.
_SYMBOLS = {
    "o": "circle",
    "s": "square",
    "^": "triangle-up",
    "D": "diamond",
    "v": "triangle-down",
    "P": "cross",
    "X": "x",
    "h": "hexagon",
}
#: Significant digits of numbers in the page: rounding moves nothing by a pixel.
_DIGITS = 6
_TITLE_LETTERS = 48
_LINE_WIDTH = 2
#: A legend: most letters of a name; then in pixels a letter, a swatch with its gaps, and a row.
_NAME_LETTERS, _LETTER, _SWATCH, _LINE = 38, 7, 50, 21
#: Ticks of a logarithmic axis: plotly's own labels leave out the zeros.
_TICKS = [digit * 10.0**power for power in range(-4, 6) for digit in (1, 2, 3, 5, 7)]


@dataclass(frozen=True)
class Frame:
    """The size and margins of a chart in pixels, as its labels are placed."""

    width: int
    height: int
    left: int
    bottom: int
    top: int = 0
    right: int = 14

    @property
    def inner(self) -> NDArray[np.float64]:
        """Width and height of the field between the axes."""
        return np.array([self.width - self.left - self.right, self.height - self.top - self.bottom], float)

    def with_legend(self, names: Iterable[str]) -> Frame:
        """Return the frame with room above it for a legend of these names."""
        lengths = [len(legend_name(name)) for name in names]
        columns = max(1, int(self.inner[0] / (_LETTER * max(lengths) + _SWATCH)))
        room = _LINE * math.ceil(len(lengths) / columns) + _LINE
        return replace(self, top=room, height=self.height + room)

    def size(self) -> Chart:
        """Return height and margins as part of a layout."""
        margin = {"l": self.left, "r": self.right, "t": self.top, "b": self.bottom}
        return {"height": self.height, "margin": margin}


def legend_name(name: str) -> str:
    """Return a name for plotly, shortened for a narrow screen to its end, where paths and settings differ."""
    return in_chart(cut_start(name, _NAME_LETTERS))


def curve_looks(run: Run) -> dict[str, CurveStyle]:
    """Return the style of each curve, the same as in the static plots."""
    return styles_of(run.results)


def colour(style: CurveStyle, use: str = "curve", opacity: str = "") -> str:
    """Return the style sheet's variable for a curve's line ("curve") or text ("text").

    ``opacity`` is two hexadecimal digits that follow the colour.
    """
    return f"var(--{use}-{style.colour.removeprefix('#').lower()}){opacity}"


def line(name: str, x: pd.Series, y: pd.Series, style: CurveStyle) -> Chart:
    """Return a curve with a marker at each point."""
    return {
        "name": legend_name(name),
        "x": numbers(x.to_numpy()),
        "y": numbers(y.to_numpy()),
        "mode": "lines+markers",
        "line": {"color": colour(style), "width": _LINE_WIDTH, "dash": _dash(style.dash)},
        "marker": {
            "color": colour(style),
            "symbol": _SYMBOLS[style.marker],
            "size": 9,
            "line": {"color": "var(--card)", "width": 1},
        },
    }


def bars(errors: pd.Series, style: CurveStyle) -> Chart:
    """Return 95% intervals for standard errors; an unknown error gets no bar."""
    half_widths = numbers(errors.fillna(0).to_numpy() * INTERVAL)
    return {"array": half_widths, "color": colour(style), "thickness": 1, "width": 3}


def title(rows: pd.DataFrame, log: bool = False) -> str:
    """Return an axis title: label, protocol, n, direction, and "log scale" if the axis is logarithmic."""
    row = rows.iloc[0]
    lines = [in_chart(line) for line in textwrap.wrap(str(row["label"]), _TITLE_LETTERS)]
    remarks = [
        str(row["protocol"]),
        counts(rows["n"]),
        f"{row['better']} is better",
        *(["log scale"] * log),
    ]
    lines.append(in_chart(" · ".join(remarks)))
    return "<br>".join(lines)


def axis(text: str, *, span: NDArray[np.float64] | None = None, log: bool = False) -> Chart:
    """Return an axis with its title; ``span`` holds its ends, as powers of ten on a logarithmic axis."""
    made: Chart = {
        "title": {"text": text, "font": {"size": 12.5}, "standoff": 10},
        "gridcolor": "var(--line)",
        "zeroline": False,
        "linecolor": "var(--muted)",
        "ticks": "outside",
        "tickcolor": "var(--line)",
    }
    if log:
        made |= {"type": "log", "tickvals": _TICKS, "ticktext": [f"{tick:,g}" for tick in _TICKS]}
    return made if span is None else made | {"range": numbers(span)}


def layout(x: Chart, y: Chart) -> Chart:
    """Return a layout in the colours and fonts of the page."""
    letters = {"color": "var(--ink)", "size": 12.5}
    return {
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "font": {"family": "system-ui, sans-serif", "size": 12, "color": "var(--ink)"},
        "hoverlabel": {"bgcolor": "var(--card)", "bordercolor": "var(--muted)", "font": letters},
        "hovermode": "closest",
        "legend": {
            "orientation": "h",
            "x": 0,
            "y": 1.01,
            "yanchor": "bottom",
            "maxheight": 1,
            "font": letters,
        },
        "xaxis": x,
        "yaxis": y,
    }


def numbers(values: NDArray[Any]) -> list[Any]:
    """Return an array as lists of rounded numbers, with None for NaN, which JSON lacks."""
    if values.ndim > 1:
        return [numbers(row) for row in values]
    return [None if np.isnan(value) else float(f"{value:.{_DIGITS}g}") for value in values.astype(float)]


def _dash(pattern: Any) -> str:
    """Translate a line style to plotly; matplotlib gives lengths in units of the line's width."""
    if pattern == "-":
        return "solid"
    return ",".join(f"{length * _LINE_WIDTH:g}px" for length in pattern[1])
