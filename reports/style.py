"""One look for all figures: colours that the colour-blind can tell apart, a marker each for grey print."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import cycle
from typing import Any

__all__ = ["RC", "CurveStyle", "curve_styles"]

#: matplotlib settings; used with rc_context, so importing this package changes nothing for others.
RC: dict[Any, Any] = {
    "font.family": ["DejaVu Sans"],  # ships with matplotlib: the same figure on every machine
    "font.size": 10,
    "axes.titlesize": 13,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.labelsize": 10.5,
    "axes.labelcolor": "#333333",
    "axes.edgecolor": "#8a8a8a",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#e4e4e4",
    "grid.linewidth": 0.7,
    "xtick.color": "#555555",
    "ytick.color": "#555555",
    "legend.frameon": False,
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    "savefig.dpi": 160,
    # Without a salt the ids in an SVG are random, and two runs would not be the same file.
    "svg.hashsalt": "sdbench",
}

# Okabe and Ito's palette without its yellow, which is lost on white; the text colours are the same hues,
# darkened to a contrast of at least 4.5 to 1 on white.
_COLOURS = (
    ("#0072B2", "#00629B"),
    ("#D55E00", "#AD4C00"),
    ("#009E73", "#00704F"),
    ("#CC79A7", "#9C3F73"),
    ("#E69F00", "#8A5F00"),
    ("#56B4E9", "#1F6F9F"),
    ("#222222", "#222222"),
)
_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "h")


@dataclass(frozen=True)
class CurveStyle:
    """How one curve is drawn: line and marker colour, the colour of its text, the marker."""

    colour: str
    text_colour: str
    marker: str


def curve_styles(names: Iterable[str]) -> dict[str, CurveStyle]:
    """Return a style for every distinct name, by order of appearance."""
    distinct = dict.fromkeys(names)
    styles = zip(cycle(_COLOURS), cycle(_MARKERS), strict=False)
    return {
        name: CurveStyle(colour, text_colour, marker)
        for name, ((colour, text_colour), marker) in zip(distinct, styles, strict=False)
    }
