"""Curves between their measured guidance scales: cubic splines, as weights of the measured values."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["FEWEST_SCALES", "ScaleSpline", "scale_spline"]

FEWEST_SCALES = 4
"""Through three scales goes a parabola, which puts a sharp optimum in the wrong place."""


@dataclass(frozen=True, eq=False)
class ScaleSpline:
    """Two cubic splines through k measured scales, over the logarithm of the scale and over the scale.

    Where they disagree, the measured scales are too far apart to tell what lies between.

    Attributes:
        scales: G candidates from the smallest to the largest measured scale, evenly apart in the logarithm.
        weights: [2, G, k]: turn measured values into those at the candidates.
        slopes: [2, G, k]: turn them into slopes over the logarithm of the scale.
    """

    scales: NDArray[np.float64]
    weights: NDArray[np.float64]
    slopes: NDArray[np.float64]


def scale_spline(measured: NDArray[np.float64], steps: int) -> ScaleSpline:
    """Return the splines through ascending scales [k] above 0, at steps + 1 candidates; k is at least 4."""
    from scipy.interpolate import make_interp_spline

    ends = np.log(measured[[0, -1]])
    between = np.exp(np.linspace(ends[0], ends[1], steps + 1)[1:-1])
    scales = np.array([measured[0], *between, measured[-1]])
    unit = np.eye(len(measured))
    logarithmic = make_interp_spline(np.log(measured), unit, k=3)
    linear = make_interp_spline(measured, unit, k=3)
    places = np.log(scales)
    return ScaleSpline(
        scales,
        np.stack([logarithmic(places), linear(scales)]),
        np.stack([logarithmic(places, 1), linear(scales, 1) * scales[:, None]]),
    )
