"""The edges of confidence regions in the plane."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

__all__ = ["legible", "reach_zero", "region_edges"]

#: Ellipses wider than this share of the range of the points would bury the curves.
_WIDE = 0.35

_CORNERS = 72
_CIRCLE = np.column_stack(
    [np.cos(np.linspace(0, 2 * np.pi, _CORNERS)), np.sin(np.linspace(0, 2 * np.pi, _CORNERS))]
)


def region_edges(points: pd.DataFrame) -> list[NDArray[np.float64]]:
    """Return the edge [72, 2] of each point's ellipse, as x and y.

    ``points`` has the columns x, y, xx, xy, yy and radius, which is NaN for a point without an ellipse. With
    S = L L' and u on the unit circle, the edge of {p: (p - c)' S^-1 (p - c) <= radius^2} is c + radius L u.
    """
    edges = []
    shapes = points.loc[points["radius"].notna(), ["x", "y", "xx", "xy", "yy", "radius"]]
    for x, y, xx, xy, yy, radius in shapes.to_numpy(np.float64):
        root = np.linalg.cholesky(np.array([[xx, xy], [xy, yy]]))
        edges.append(np.array([x, y]) + radius * _CIRCLE @ root.T)
    return edges


def legible(points: pd.DataFrame) -> pd.DataFrame:
    """Return the points whose ellipse is drawn.

    These are all that have one; if the typical ellipse is wide, only the point with the lowest distance.
    """
    known = points[points["radius"].notna()]
    half_widths = known["radius"].to_numpy()[:, None] * np.sqrt(known[["xx", "yy"]].to_numpy("float64"))
    ranges = np.ptp(points[["x", "y"]].to_numpy("float64"), axis=0)
    if len(known) < 2 or (2 * np.median(half_widths, axis=0) < _WIDE * ranges).all():
        return known
    return known.loc[[known["y"].idxmin()]]


def reach_zero(points: pd.DataFrame) -> bool:
    """Whether a region reaches a distance of zero, which a logarithmic axis cannot show."""
    return bool((points["radius"] * np.sqrt(points["yy"].astype("float64")) >= points["y"]).any())
