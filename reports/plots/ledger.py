"""The picture of the guidance ledger: ways of guiding beside the curve of plain guidance."""

from __future__ import annotations

import math

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from reports.plots.regions import region_edges
from reports.plots.sheet import axis_title, new_sheet, settle
from reports.runs import Run
from reports.style import RC, CurveStyle, curve_styles
from reports.wording import INTERVAL, cut_middle

__all__ = ["guidance_ledger"]

_PLAIN = "#8a8a8a"
_LETTERS = 60


def guidance_ledger(run: Run) -> Figure | None:
    """Draw a row per curve of plain guidance: the plane with the guided cells, and their scales by call.

    Two arrows lead to a guided cell: from its control along the curve, and from the curve to the cell, with
    the ellipse that touches the curve where the shift has p = 0.05. Without a known shift there is a point
    alone. None if no guided cell has a place beside a curve.
    """
    table, curves, scales = run.ledger, run.cfg_curves, run.effective_scales
    if table is None or curves is None or scales is None:
        return None
    known = table[table["cell"].isin(run.names) & table["x"].notna() & (table["matched"] != "evaluations")]
    names = [name for name in dict.fromkeys(known["cfg_curve"]) if (curves["cfg_curve"] == name).any()]
    if not names:
        return None
    with matplotlib.rc_context(RC):
        rows = [known[known["cfg_curve"] == name] for name in names]
        height = sum(4.6 + 0.22 * len(each) for each in rows)
        figure = new_sheet(10.5, height)
        axes = figure.subplots(len(names), 2, squeeze=False, width_ratios=[3, 2])
        for name, cells, (left, right) in zip(names, rows, axes, strict=True):
            styles = curve_styles(cells["cell"])
            _draw_plane(left, curves[curves["cfg_curve"] == name], cells, styles)
            left.set_xlabel(axis_title(run.of_protocol(cells["x_protocol"].iloc[0])))
            left.set_ylabel(axis_title(run.of_protocol(cells["y_protocol"].iloc[0])))
            left.set_title(f"beside the curve of {cut_middle(name, 40)}", fontsize=10.5)
            _draw_calls(right, scales, styles)
            _add_legend(left, [run.names[cell].removeprefix(f"{name}, ") for cell in styles], styles)
        settle(figure)
    return figure


def _draw_plane(axes: Axes, curve: pd.DataFrame, cells: pd.DataFrame, styles: dict[str, CurveStyle]) -> None:
    axes.plot(curve["x"], curve["y"], color=_PLAIN, linewidth=1.4, zorder=1)
    measured = curve[curve["cell"] != ""]
    axes.plot(measured["x"], measured["y"], "o", color=_PLAIN, markersize=4, zorder=1)
    for scale, x, y in measured[["guidance_scale", "x", "y"]].to_numpy():
        axes.annotate(
            f"{scale:g}",
            (x, y),
            xytext=(4, -9),
            textcoords="offset points",
            fontsize=8,
            color="#6a6a6a",
        )
    for _, row in cells.iterrows():
        style, place = styles[row["cell"]], np.array([row["x"], row["y"]])
        axes.plot(*place, style.marker, color=style.colour, markersize=6.5, zorder=4)
        if math.isnan(row["off_x"]):
            continue
        nearest = place - [row["off_x"], row["off_y"]]
        _arrow(axes, place - [row["gain_x"], row["gain_y"]], nearest, style, (0, (1, 1.5)))
        _arrow(axes, nearest, place, style, "-")
        shape = {key: row[f"difference_{key}"] for key in ("xx", "xy", "yy")}
        (edge,) = region_edges(pd.DataFrame([{"x": row["x"], "y": row["y"], "radius": INTERVAL, **shape}]))
        axes.fill(*edge.T, facecolor=style.colour, alpha=0.12, linewidth=0)
        axes.fill(*edge.T, fill=False, edgecolor=style.colour, alpha=0.6, linewidth=0.7)


def _arrow(
    axes: Axes,
    start: np.ndarray,
    end: np.ndarray,
    style: CurveStyle,
    dash: str | tuple[float, tuple[float, ...]],
) -> None:
    axes.annotate(
        "",
        (end[0], end[1]),
        xytext=(start[0], start[1]),
        arrowprops={
            "arrowstyle": "-|>",
            "color": style.colour,
            "linestyle": dash,
            "linewidth": 1.2,
            "shrinkA": 0,
            "shrinkB": 0,
            "mutation_scale": 9,
        },
        zorder=3,
    )


def _add_legend(axes: Axes, names: list[str], styles: dict[str, CurveStyle]) -> None:
    axes.legend(
        [axes.plot([], [], style.marker, color=style.colour, ms=6)[0] for style in styles.values()],
        [cut_middle(name, _LETTERS) for name in names],
        loc="upper left",
        bbox_to_anchor=(0, -0.16),
        fontsize=8.5,
    )


def _draw_calls(axes: Axes, scales: pd.DataFrame, styles: dict[str, CurveStyle]) -> None:
    for cell, style in styles.items():
        rows = scales[scales["cell"] == cell]
        axes.plot(
            rows["call"], rows["scale"], color=style.colour, marker=style.marker, markersize=3, linewidth=1.2
        )
        reach = INTERVAL * rows["standard_error"].fillna(0)
        axes.fill_between(
            rows["call"],
            rows["scale"] - reach,
            rows["scale"] + reach,
            color=style.colour,
            alpha=0.15,
            linewidth=0,
        )
    axes.set_xlabel("denoiser call, from noise to image")
    axes.set_ylabel("plain guidance scale")
    axes.set_title("scale that each call amounts to", fontsize=10.5)
