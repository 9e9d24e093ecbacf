"""Distance against score, with guidance scales at the points."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from reports.charts._parts import (
    Chart,
    Frame,
    axis,
    bars,
    colour,
    curve_looks,
    layout,
    legend_name,
    line,
    numbers,
    title,
)
from reports.label_placement import place_labels
from reports.plots.regions import reach_zero, region_edges
from reports.rows import plane
from reports.runs import Run
from reports.style import CurveStyle, spans_too_much
from reports.wording import INTERVAL

__all__ = ["plane_chart"]

#: With more points than this, only the ends of each curve are labelled.
_MANY = 64
#: In pixels: width and height of a letter, radius of a marker with its margin.
_LETTER, _LETTER_HEIGHT, _GAP = 6.5, 13.0, 7.0
#: A label further from its point than this, in pixels, gets a line to it.
_FAR = 20.0
#: Most room that ellipses get at each side, as a share of the range of the points.
_ELLIPSE_ROOM = 0.3
_CLEAR = "rgba(0,0,0,0)"
_WIDE, _NARROW = Frame(790, 580, 88, 62), Frame(356, 400, 80, 62)


def plane_chart(run: Run) -> Chart:
    """Return a line per curve, with an ellipse or bars at each point.

    ``customdata`` of a point is its row in run.cells; ``labels`` are annotations for wide and narrow screens.
    ``regions`` holds the corners of each cell's ellipse: the page's script draws those of the chosen cell and
    of the one pointed at, into the two traces before the ring, because all at once would bury the curves.

    Raises:
        ReportError: The run has no distance or no score.
    """
    points, looks = _points(run), curve_looks(run)
    x_rows, y_rows = (run.of_protocol(str(run.first(better))) for better in ("higher", "lower"))
    log = not reach_zero(points) and spans_too_much(y_rows)
    data: list[Chart] = []
    for name, curve in points.groupby("curve", sort=False):
        ordered, look = curve.sort_values("guidance_scale"), looks[str(name)]
        data.append(_curve(str(name), ordered, look))
    spans = _spans(points, log)
    labelled = points if len(points) <= _MANY else _ends(points)
    wide, narrow = (frame.with_legend(looks) for frame in (_WIDE, _NARROW))
    return {
        "data": [*data, _region(), _region(), _ring()],
        "regions": _regions(points),
        "layout": layout(
            axis(title(x_rows), span=spans[0]), axis(title(y_rows, log), span=spans[1], log=log)
        ),
        "labels": {
            "wide": _labels(labelled, points, wide, spans, log, looks),
            "narrow": _labels(_ends(points), points, narrow, spans, log, looks),
        },
        "sizes": {"wide": wide.size(), "narrow": narrow.size()},
    }


def _points(run: Run) -> pd.DataFrame:
    """Return the plane's points with their cell's place and their ellipse, NaN without one."""
    points = plane(run.results)
    points["place"] = points["cell"].map({cell: place for place, cell in enumerate(run.cells["cell"])})
    shape = ["xx", "xy", "yy", "radius"]
    if run.regions is None:
        return points.assign(**dict.fromkeys(shape, np.nan))
    x, y = run.regions["x_protocol"], run.regions["y_protocol"]
    same_axes = (x == run.first("higher")) & (y == run.first("lower"))
    return points.merge(run.regions.loc[same_axes, ["cell", *shape]], on="cell", how="left")


def _curve(name: str, curve: pd.DataFrame, style: CurveStyle) -> Chart:
    trace = line(name, curve["x"], curve["y"], style)
    trace |= {"customdata": curve["place"].tolist(), "hoverinfo": "none", "legendgroup": name}
    for side in ("x", "y"):
        errors = curve[f"{side}_error"].where(curve["radius"].isna())
        if errors.notna().any():
            trace[f"error_{side}"] = bars(errors, style)
    return trace


def _regions(points: pd.DataFrame) -> dict[str, list[list[float]]]:
    """Return [x, y] of the corners of each cell's ellipse by the cell's place."""
    with_region = points[points["radius"].notna()]
    edges = region_edges(with_region)
    return {str(place): numbers(edge.T) for place, edge in zip(with_region["place"], edges, strict=True)}


def _region() -> Chart:
    """Return a trace for an ellipse; the page's script gives it corners and the colour of its curve."""
    quiet = {"hoverinfo": "skip", "showlegend": False, "mode": "lines", "fill": "toself"}
    return {"x": [], "y": [], "meta": "region", "line": {"width": 1}, "opacity": 0.6, **quiet}


def _ring() -> Chart:
    """Return the trace that marks the chosen point; the page's script moves it."""
    marker = {"symbol": "circle-open", "size": 18, "color": "var(--ink)", "line": {"width": 2}}
    return {"x": [], "y": [], "mode": "markers", "hoverinfo": "skip", "showlegend": False, "marker": marker}


def _spans(points: pd.DataFrame, log: bool) -> NDArray[np.float64]:
    """Return the ends of both axes [2, 2]; a log axis in powers of ten.

    Bars fit in. Ellipses get at most as much room as the points take: wider ones would squeeze the curves.
    """
    middles = points[["x", "y"]].to_numpy()
    half = points[["x_error", "y_error"]].where(points["radius"].isna()).fillna(0).to_numpy() * INTERVAL
    inner = np.concatenate([middles - half, middles + half])
    outer = np.concatenate([inner, *region_edges(points)])
    if log:
        for corners in (inner, outer):
            corners[:, 1] = np.log10(np.maximum(corners[:, 1], points["y"].min() / 4))
    room = _ELLIPSE_ROOM * np.ptp(inner, axis=0)
    low = np.maximum(outer.min(axis=0), inner.min(axis=0) - room)
    high = np.minimum(outer.max(axis=0), inner.max(axis=0) + room)
    # A single point without errors has no extent.
    room = np.where(high > low, (high - low) * 0.04, np.maximum(np.abs(high) * 0.1, 1e-3))
    return np.stack([low - room, high + room], axis=1)


def _labels(
    labelled: pd.DataFrame,
    points: pd.DataFrame,
    frame: Frame,
    spans: NDArray[np.float64],
    log: bool,
    looks: dict[str, CurveStyle],
) -> list[Chart]:
    """Return the guidance scales as annotations that do not overlap in a frame of this size."""
    low, high = spans.T

    def pixels(rows: pd.DataFrame) -> NDArray[np.float64]:
        y = np.log10(rows["y"]) if log else rows["y"]
        return np.asarray((np.column_stack([rows["x"], y]) - low) / (high - low) * frame.inner)

    curves = [pixels(curve.sort_values("guidance_scale")) for _, curve in points.groupby("curve", sort=False)]
    segments = np.concatenate([np.stack([curve[:-1], curve[1:]], axis=1) for curve in curves])
    texts = [f"{scale:g}" for scale in labelled["guidance_scale"]]
    sizes = np.array([(_LETTER * len(text) + 4, _LETTER_HEIGHT) for text in texts])
    bounds = np.array([0.0, 0.0, *frame.inner])
    places = pixels(labelled)
    offsets = place_labels(places, sizes, segments, np.empty((0, 2, 2)), bounds, _GAP) - places
    return [
        _label(point, text, offset, log, looks[str(point.curve)])
        for (_, point), text, offset in zip(labelled.iterrows(), texts, offsets, strict=True)
    ]


def _label(point: pd.Series, text: str, offset: NDArray[np.float64], log: bool, style: CurveStyle) -> Chart:
    x, y = numbers(np.array([point["x"], np.log10(point["y"]) if log else point["y"]]))
    return {
        "x": x,
        "y": y,
        "text": text,
        "name": legend_name(str(point["curve"])),
        "showarrow": True,
        "arrowhead": 0,
        "arrowwidth": 0.6,
        "arrowcolor": "var(--muted)" if np.hypot(*offset) > _FAR else _CLEAR,
        "ax": round(float(offset[0]), 1),
        "ay": round(-float(offset[1]), 1),
        "borderpad": 0,
        "font": {"size": 11, "color": colour(style, "text")},
    }


def _ends(points: pd.DataFrame) -> pd.DataFrame:
    """Return the first and the last point of every curve."""
    ordered = points.sort_values("guidance_scale", kind="stable").groupby("curve", sort=False)
    ends = pd.concat([ordered.head(1), ordered.tail(1)])
    return ends[~ends.index.duplicated()]
