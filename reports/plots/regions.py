"""The edges of confidence regions in the plane."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

__all__ = ["reach_zero", "region_edges"]

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


def reach_zero(points: pd.DataFrame) -> bool:
    """Whether a region reaches a distance of zero, which a logarithmic axis cannot show."""
    return bool((points["radius"] * np.sqrt(points["yy"].astype("float64")) >= points["y"]).any())
