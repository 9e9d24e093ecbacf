"""Protocols by category of the prompts."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from reports.by_category import ByCategory
from reports.plots.sheet import new_sheet, settle
from reports.style import RC, CurveStyle
from reports.wording import cut_end

__all__ = ["metrics_by_category"]

_LETTERS = 30


def metrics_by_category(views: Sequence[ByCategory], curves: dict[str, CurveStyle]) -> Figure:
    """Draw each protocol and column in a panel of its own, a row per category and a marker per cell.

    ``curves`` has the style of each curve of the run.
    """
    heights = [0.9 + 0.3 * len(view.categories) for view in views]
    with matplotlib.rc_context(RC):
        figure = new_sheet(9.5, sum(heights))
        panels = figure.subplots(len(views), 1, squeeze=False, height_ratios=heights).flatten()
        for axes, view in zip(panels, views, strict=True):
            _panel(axes, view, curves)
        settle(figure)
    return figure


def _panel(axes: Axes, view: ByCategory, curves: dict[str, CurveStyle]) -> None:
    styles = view.styles(curves)
    for (cell, name), shift in zip(view.names.items(), view.shifts, strict=True):
        rows = view.values[view.values["cell"] == cell]
        ends = rows["value"] - rows["low"], rows["high"] - rows["value"]
        axes.errorbar(
            rows["value"],
            rows["place"] + shift,
            xerr=None if rows["low"].isna().all() else [end.to_numpy() for end in ends],
            color=styles[cell].colour,
            marker=styles[cell].marker,
            linestyle="none",
            label=name,
            markersize=5,
            elinewidth=1,
        )
    labels = [cut_end(name, _LETTERS) for name in view.categories]
    axes.set_yticks(range(len(labels)), labels)
    axes.set_xlim(*view.span)
    axes.set_ylim(len(labels) - 0.5, -0.5)
    axes.set_xlabel(f"{view.protocol} ({view.better} is better)")
    axes.set_title(f"{view.label} by {view.by}", fontsize=10.5)
    axes.legend(loc="upper left", bbox_to_anchor=(1.01, 1), fontsize=8.5)
