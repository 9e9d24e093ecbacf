"""One look for all plots: colours that colour-blind readers can tell apart, markers for grey print."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from reports.wording import INTERVAL

__all__ = ["RC", "CurveStyle", "curve_styles", "dodged", "spans_too_much"]

#: Largest to smallest distance; from this ratio on, a linear axis hides the better checkpoints.
_LOG_RATIO = 6.0

#: matplotlib settings, used with rc_context: importing this package changes no global setting.
RC: dict[Any, Any] = {
    "font.family": ["DejaVu Sans"],  # ships with matplotlib: plots look the same on every machine
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
    # A name such as my$model_$x is no formula, and no label of ours is one.
    "text.parse_math": False,
    # Without a salt, the ids in an SVG are random and the bytes differ each time.
    "svg.hashsalt": "sdbench",
}

# Okabe and Ito's palette without its yellow, which is hard to see on white. Text colours are the same hues,
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

#: Line styles for grey print, as matplotlib takes them.
_DASHES: tuple[Any, ...] = ("-", (0, (5, 2)), (0, (1, 1.5)), (0, (6, 2, 1, 2)))


@dataclass(frozen=True)
class CurveStyle:
    """How to draw one curve: line and marker colour, text colour, marker, line style."""

    colour: str
    text_colour: str
    marker: str
    dash: Any = "-"


def curve_styles(names: Iterable[str], families: Mapping[str, str] | None = None) -> dict[str, CurveStyle]:
    """Return a style for every distinct name, by order of appearance.

    ``families`` maps a curve to the family, such as the checkpoint, that it belongs to. If several families
    have several curves, colour and line style show the family and the marker its member; otherwise each curve
    has a colour and a marker of its own.
    """
    distinct = list(dict.fromkeys(names))
    members: dict[str, list[str]] = {}
    for name in distinct:
        members.setdefault(families[name] if families else name, []).append(name)
    if len(members) in (1, len(distinct)):
        return {name: _style(i, i, i // len(_COLOURS)) for i, name in enumerate(distinct)}
    return {
        name: _style(family, place, family)
        for family, curves in enumerate(members.values())
        for place, name in enumerate(curves)
    }


def _style(colour: int, marker: int, dash: int) -> CurveStyle:
    return CurveStyle(
        *_COLOURS[colour % len(_COLOURS)], _MARKERS[marker % len(_MARKERS)], _DASHES[dash % len(_DASHES)]
    )


def dodged(rows: pd.DataFrame) -> pd.Series[float]:
    """Return the guidance scales moved apart curve by curve, so that error bars do not hide one another.

    Together the curves take at most a third of the smallest gap between two scales. Rows without errors, and
    those of a single curve, stay in place.
    """
    scales = rows["guidance_scale"].astype("float64")
    curves = list(dict.fromkeys(rows["curve"]))
    gaps = np.diff(np.unique(scales))
    if len(curves) < 2 or gaps.size == 0 or rows["standard_error"].isna().all():
        return scales
    step = float(gaps.min()) / (3 * len(curves))
    places = rows["curve"].map({curve: place - (len(curves) - 1) / 2 for place, curve in enumerate(curves)})
    return scales + step * places.astype("float64")


def spans_too_much(rows: pd.DataFrame) -> bool:
    """Whether a protocol's distances span so much that a linear axis hides the better checkpoints.

    False if an interval reaches zero, which a logarithmic axis cannot show.
    """
    values, half_widths = rows["value"], INTERVAL * rows["standard_error"].fillna(0)
    above_zero = rows["better"].iloc[0] == "lower" and (values - half_widths).min() > 0
    return bool(above_zero and values.max() / values.min() >= _LOG_RATIO)
