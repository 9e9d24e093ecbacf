"""The main plot: distance against CLIP score, a curve per checkpoint, guidance scales at the points."""

from __future__ import annotations

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from reports.plots.overlay import draw_overlay, overlay_note
from reports.plots.point_labels import MANY, label_points
from reports.plots.regions import legible, reach_zero, region_edges
from reports.plots.sheet import (
    axis_title,
    bars,
    heading,
    legend_below,
    legend_rows,
    new_sheet,
    spread_out,
    styles_of,
)
from reports.rows import first_protocol, plane
from reports.style import RC, CurveStyle

__all__ = ["distance_against_score"]


def distance_against_score(
    results: pd.DataFrame, regions: pd.DataFrame | None = None, overlay: pd.DataFrame | None = None
) -> Figure:
    """Draw distance (y) against CLIP score (x), with guidance scales at the points.

    Args:
        results: Result rows. The axes are their first distance and first score; titles name protocol and n.
        regions: The run's regions.csv: ellipses that hold for all points at once with 95% probability. A
            point without an ellipse gets bars of 95%, if its errors are known.
        overlay: Published result rows, drawn in grey behind the others.

    Raises:
        ReportError: An axis is missing, or the overlay has other axes.
    """
    x_rows = results[results["protocol"] == first_protocol(results, "higher")]
    y_rows = results[results["protocol"] == first_protocol(results, "lower")]
    with matplotlib.rc_context(RC):
        points = _with_regions(plane(results), regions, x_rows, y_rows)
        styles = styles_of(points)
        width = 9.0
        figure = new_sheet(width, 6.8 + 0.18 * max(legend_rows(list(styles), width) - 2, 0))
        axes = figure.subplots()
        notes = [_note(results, points, [_name(rows) for rows in (x_rows, y_rows) if _has_errors(rows)])]
        log = not reach_zero(legible(points)) and spread_out(axes, y_rows)
        if overlay is not None:
            notes.append(overlay_note(results, overlay))
        for name, curve in points.groupby("curve", sort=False):
            _draw_regions(axes, legible(points).query("curve == @name"), styles[str(name)])
            _draw_curve(axes, curve.sort_values("guidance_scale"), str(name), styles[str(name)])
        if overlay is not None:
            draw_overlay(axes, overlay)
        axes.margins(0.06, 0.07)
        axes.set_xlabel(axis_title(x_rows))
        axes.set_ylabel(axis_title(y_rows) + (" · log scale" if log else ""))
        heading(figure, axes, f"{_name(y_rows)} against {_name(x_rows)}", notes)
        legend_below(figure, axes)
        label_points(figure, axes, points, styles)
    return figure


def _with_regions(
    points: pd.DataFrame, regions: pd.DataFrame | None, x_rows: pd.DataFrame, y_rows: pd.DataFrame
) -> pd.DataFrame:
    """Return the points with the columns xx, xy, yy, radius, NaN without a region for these axes."""
    shape = ["xx", "xy", "yy", "radius"]
    if regions is None:
        return points.assign(**dict.fromkeys(shape, np.nan))
    axes = (x_rows["protocol"].iloc[0], y_rows["protocol"].iloc[0])
    same = regions[(regions["x_protocol"] == axes[0]) & (regions["y_protocol"] == axes[1])]
    return points.merge(same[["cell", *shape]], on="cell", how="left", validate="one_to_one")


def _draw_regions(axes: Axes, points: pd.DataFrame, style: CurveStyle) -> None:
    for edge in region_edges(points):
        axes.fill(*edge.T, facecolor=style.colour, alpha=0.07, linewidth=0)
        axes.fill(*edge.T, fill=False, edgecolor=style.colour, alpha=0.5, linewidth=0.6)


def _draw_curve(axes: Axes, curve: pd.DataFrame, name: str, style: CurveStyle) -> None:
    bare = curve[curve["radius"].isna()]
    if len(bare):
        axes.errorbar(
            bare["x"],
            bare["y"],
            xerr=bars(bare["x_error"]),
            yerr=bars(bare["y_error"]),
            fmt="none",
            ecolor=style.colour,
            elinewidth=1,
            alpha=0.45,
        )
    axes.plot(
        curve["x"],
        curve["y"],
        color=style.colour,
        marker=style.marker,
        linestyle=style.dash,
        markersize=6.5,
        markeredgecolor="white",
        markeredgewidth=0.6,
        linewidth=1.6,
        label=name,
    )


def _note(results: pd.DataFrame, points: pd.DataFrame, with_errors: list[str]) -> str:
    """Return the settings of the run and how to read the points.

    ``with_errors`` names the axes whose errors are known.
    """
    intervals = {0: "errors not known", 1: f"bars: 95% intervals, {' '.join(with_errors)} only"}
    errors = intervals.get(len(with_errors), "bars: 95% intervals")
    drawn = legible(points)
    if len(drawn) < points["radius"].notna().sum():
        best = drawn.iloc[0]
        errors = f"ellipse of {best['curve']} at {best['guidance_scale']:g}: 95% for all points at once"
    elif points["radius"].notna().all():
        errors = f"ellipses: 95% for all {len(points)} points at once"
    elif points["radius"].notna().any():
        errors = "ellipses: 95% for all points at once; bars: 95% intervals of points without an ellipse"
    settings = results[["sampler", "steps"]].drop_duplicates()
    samplers = settings["sampler"].str.upper() + ", " + settings["steps"].astype(str) + " steps"
    parts = [
        " and ".join(samplers) if len(samplers) <= 3 else f"{len(samplers)} sampler settings",
        ", ".join(dict.fromkeys(results["image_size"])).replace("x", "×") + " pixels",
        f"numbers at the {'points' if len(points) <= MANY else 'front'}: guidance scale",
        errors,
    ]
    return " · ".join(parts)


def _has_errors(rows: pd.DataFrame) -> bool:
    return bool(rows["standard_error"].notna().any())


def _name(rows: pd.DataFrame) -> str:
    """Return a protocol's label without its brackets."""
    return str(rows["label"].iloc[0]).split(" (")[0]
