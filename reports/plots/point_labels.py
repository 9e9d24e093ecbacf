"""The guidance scales at the points of the plane."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patheffects import Normal, Stroke
from matplotlib.text import Annotation

from reports.label_placement import place_labels
from reports.plots.front import pareto_front
from reports.plots.sheet import settle
from reports.style import CurveStyle
from reports.wording import INTERVAL

__all__ = ["MANY", "label_points"]

#: With more points than this, only those of the Pareto front are labelled.
MANY = 40
#: Radius of a marker with its margin, in points.
_MARKER_GAP = 5.0


def label_points(figure: Figure, axes: Axes, points: pd.DataFrame, styles: dict[str, CurveStyle]) -> None:
    """Write the guidance scale at each point, clear of curves, markers and other labels.

    Fixes the layout first, since a later change would move the points away from their labels.
    """
    labelled = points if len(points) <= MANY else points.iloc[pareto_front(points["x"], points["y"])]
    notes = [
        axes.annotate(
            f"{point.guidance_scale:g}",
            (point.x, point.y),
            xytext=(0, 0),
            textcoords="offset points",
            ha="center",
            va="center",
            fontsize=8.5,
            color=styles[str(point.curve)].text_colour,
            path_effects=[Stroke(linewidth=2.5, foreground="white"), Normal()],
            in_layout=False,
        )
        for point in labelled.itertuples()
    ]
    settle(figure)
    places = axes.transData.transform(labelled[["x", "y"]].to_numpy())
    extents = [note.get_window_extent() for note in notes]
    pixels_per_point = figure.dpi / 72
    centres = place_labels(
        places,
        np.array([(extent.width, extent.height) for extent in extents]),
        lines=_curve_segments(axes, points),
        faint_lines=_bar_segments(axes, points),
        bounds=np.asarray(axes.bbox.extents),
        gap=_MARKER_GAP * pixels_per_point,
    )
    for note, offset in zip(notes, (centres - places) / pixels_per_point, strict=True):
        note.set_position((offset[0], offset[1]))
        _lead(axes, note, offset)


def _curve_segments(axes: Axes, points: pd.DataFrame) -> np.ndarray:
    """Return the lines between neighbouring points in pixels, [k, 2, 2]."""
    segments = []
    for _, curve in points.groupby("curve", sort=False):
        ordered = curve.sort_values("guidance_scale")[["x", "y"]].to_numpy()
        places = axes.transData.transform(ordered)
        segments.append(np.stack([places[:-1], places[1:]], axis=1))
    return np.concatenate(segments)


def _bar_segments(axes: Axes, points: pd.DataFrame) -> np.ndarray:
    """Return the error bars in pixels, [k, 2, 2]; an unknown error is a bar of length zero."""
    bare = points[points["radius"].isna()]
    middles = bare[["x", "y"]].to_numpy()
    errors = bare[["x_error", "y_error"]].fillna(0).to_numpy() * INTERVAL
    across, upright = errors * (1, 0), errors * (0, 1)
    ends = np.concatenate([np.stack([middles - bar, middles + bar], axis=1) for bar in (across, upright)])
    return np.asarray(axes.transData.transform(ends.reshape(-1, 2)).reshape(-1, 2, 2))


def _lead(axes: Axes, note: Annotation, offset: np.ndarray) -> None:
    """Draw a thin line to a label that had to move away from its point."""
    if np.hypot(*offset) < 3 * _MARKER_GAP:
        return
    axes.annotate(
        "",
        note.xy,
        xytext=tuple(offset * 0.72),
        textcoords="offset points",
        arrowprops={"arrowstyle": "-", "color": note.get_color(), "linewidth": 0.5, "alpha": 0.6},
        in_layout=False,
    )
