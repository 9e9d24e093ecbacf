"""What a point of the plane gains over a curve of guidance scales: a move along it and a shift off it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from metrics.best import combined
from metrics.compare import compare
from metrics.errors import MetricsError
from metrics.regions import PlanePoint, plane_covariance
from metrics.scale_spline import FEWEST_SCALES, scale_spline
from metrics.uncertainty import Estimate

__all__ = ["CurveShift", "Move", "curve_shift", "move"]

_STEPS = 4000
"""Steps between the smallest and the largest scale; from 1.5 to 8 they are 0.04% apart."""

_REACH = 1.96
_SOFTEST = 0.01
"""Near the centre of its curvature every point of the curve is the nearest; errors are then cut off."""


@dataclass(frozen=True, eq=False)
class Move:
    """A difference in the plane: (distance, agreement) [2], with the covariance [2, 2] of its joint error."""

    vector: NDArray[np.float64]
    covariance: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class CurveShift:
    """A point against a curve of guidance scales.

    Attributes:
        scale: That of the point of the curve which is nearest.
        low: Lower end of its 95% interval, at least the smallest scale of the curve.
        high: Upper end, at most the largest.
        along: From the baseline to the nearest point of the curve.
        off: From there to the point. Its error lies across the curve, since the scale is fitted.
        difference: The covariance [2, 2] of the point minus the curve at that scale, were it not fitted. Its
            ellipse of 1.96 standard errors touches the curve where ``p_value`` is 0.05.
        p_value: Of "the point lies on the curve"; None at an end of the curve: how it goes on is not known,
            so neither is what of ``off`` is a shift.
    """

    scale: float
    low: float
    high: float
    along: Move
    off: Move
    difference: NDArray[np.float64]
    p_value: float | None


@dataclass(frozen=True, eq=False)
class _Nearest:
    """A place on the curve: its scale, and what [k] turns the measured points into that one.

    ``slope`` and ``bend`` turn them into the first and second derivative over the logarithm of the scale.
    """

    scale: float
    weights: NDArray[np.float64]
    slope: NDArray[np.float64]
    bend: NDArray[np.float64]
    at_end: bool


def curve_shift(curve: Mapping[float, PlanePoint], point: PlanePoint, baseline: PlanePoint) -> CurveShift:
    """Split point - baseline into a move along the curve and a shift off it, with joint errors.

    The curve is carried between its scales by two cubic splines (metrics.scale_spline); where they disagree,
    all that lies between them counts as the curve. Its nearest point C(s) is found with both axes in standard
    errors of the point. With g = point - C(s) in these units and t and b the first and second derivative of C
    over log s, changes dg of the gap at a fixed scale, dt of the slope and du of the logarithms of the units
    move log s by (t.dg + dt.g - 2 (t g).du) / (t.t - b.g): the derivative of the condition t.g = 0. All is
    linear in the images' contributions, so the noise that cells share cancels.

    If the point lies on the curve, its gap has one free direction, across the curve. The test is Student's t
    of the part perpendicular to t, which does not depend on the units.

    Args:
        curve: Points of plain guidance by scale above 0.
        point: The point that is explained.
        baseline: What its gain is counted from, such as a point of the curve.

    Raises:
        MetricsError: Fewer than FEWEST_SCALES scales, a point has no errors or values per image, or other
            numbers of images than the others.
    """
    if len(curve) < FEWEST_SCALES:
        raise MetricsError(f"{len(curve)} guidance scales, at least {FEWEST_SCALES} are needed")
    measured = [curve[scale] for scale in sorted(curve)]
    points = [point, baseline, *measured]
    if len({each.per_image.shape for each in points}) > 1:
        raise MetricsError("a shift is found among points over the same number of images")
    units = np.array([point.distance.standard_error, point.agreement.standard_error], dtype=np.float64)
    if not units.all():
        raise MetricsError("a point without spread has no shift")
    found = _nearest(np.array(sorted(curve)), measured, point, units)
    estimates = [axis(each) for axis in (_distance, _agreement) for each in points]
    cells = np.array([each.centre for each in measured])
    gap, slope, bend = point.centre - found.weights @ cells, found.slope @ cells, found.bend @ cells
    gaps = _rows(np.concatenate([[1.0, 0.0], -found.weights]), np.eye(2))
    gains = _rows(np.concatenate([[1.0, -1.0], np.zeros(len(cells))]), np.eye(2))
    pull = np.zeros(gaps.shape[1] + 2)
    if not found.at_end:
        moved = _rows(np.concatenate([[0.0, 0.0], found.slope]), gap[None] / units**2)[0]
        stiffness = slope / units**2 @ slope - bend / units**2 @ gap
        stiffness = max(stiffness, _SOFTEST * (slope / units**2 @ slope))
        pull = np.concatenate([(slope / units**2) @ gaps + moved, -2 * slope * gap / units**2]) / stiffness
    estimates += [_log_error(axis(point)) for axis in (_distance, _agreement)]
    gaps, gains = (np.pad(rows, ((0, 0), (0, 2))) for rows in (gaps, gains))
    off = gaps - np.outer(slope, pull)
    reach = _REACH * (combined(estimates, pull).standard_error or 0.0)
    low, high = (
        float(np.clip(found.scale * math.exp(side * reach), min(curve), max(curve))) for side in (-1, 1)
    )
    across = np.array([-slope[1], slope[0]])
    return CurveShift(
        found.scale,
        low,
        high,
        _moved(estimates, gains - off),
        _moved(estimates, off),
        _moved(estimates, gaps).covariance,
        None if found.at_end else _p_value(estimates, across @ gaps),
    )


def move(point: PlanePoint, baseline: PlanePoint) -> Move:
    """Return point - baseline with its joint error; MetricsError as `curve_shift`."""
    if point.per_image.shape != baseline.per_image.shape:
        raise MetricsError("a gain is found between points over the same number of images")
    estimates = [axis(each) for axis in (_distance, _agreement) for each in (point, baseline)]
    return _moved(estimates, _rows(np.array([1.0, -1.0]), np.eye(2)))


def _nearest(
    scales: NDArray[np.float64],
    measured: Sequence[PlanePoint],
    point: PlanePoint,
    units: NDArray[np.float64],
) -> _Nearest:
    """Return the nearest point of the band between both splines."""
    spline = scale_spline(scales, _STEPS)
    at = spline.weights @ (np.array([each.centre for each in measured]) / units)  # [2, G, 2]
    gap, across = point.centre / units - at[0], at[1] - at[0]
    lengths = (across**2).sum(axis=1)
    share = np.divide((gap * across).sum(axis=1), lengths, out=np.zeros_like(lengths), where=lengths > 0)
    share = np.clip(share, 0, 1)
    place = int(((gap - share[:, None] * across) ** 2).sum(axis=1).argmin())
    bends = np.gradient(spline.slopes, np.log(spline.scales), axis=1)
    mixed = np.array([1 - share[place], share[place]])
    weights, slope, bend = (mixed @ each[:, place] for each in (spline.weights, spline.slopes, bends))
    return _Nearest(float(spline.scales[place]), weights, slope, bend, place in (0, len(lengths) - 1))


def _distance(point: PlanePoint) -> Estimate:
    return point.distance


def _agreement(point: PlanePoint) -> Estimate:
    return point.agreement


def _log_error(estimate: Estimate) -> Estimate:
    """Return the change of the logarithm of an estimate's standard error, by its contributions per image."""
    apart = np.asarray(estimate.per_image) - np.mean(np.asarray(estimate.per_image))
    sums = apart
    if estimate.clusters is not None:
        sums = np.bincount(estimate.clusters, weights=apart)[estimate.clusters]
    parts = (apart * sums / np.mean(apart * sums) - 1) / 2
    return replace(estimate, value=0.0, per_image=parts, per_pair=None)


def _rows(weights: NDArray[np.float64], axes: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return weights [r, 2 m] of the distances and then the agreements of m points, from ``axes`` [r, 2]."""
    return np.asarray(np.kron(axes, weights))


def _moved(estimates: Sequence[Estimate], rows: NDArray[np.float64]) -> Move:
    """Return the sums of the estimates times ``rows`` [2, 2 m] with their joint error."""
    distance, agreement = (combined(estimates, row) for row in rows)
    both = PlanePoint(distance, agreement)
    errors = [distance.standard_error, agreement.standard_error]
    return Move(both.centre, plane_covariance(both.per_image, errors, distance.clusters))


def _p_value(estimates: Sequence[Estimate], weights: NDArray[np.float64]) -> float | None:
    """Return the p-value of "the sum of the estimates times ``weights`` is 0"."""
    more, less = (combined(estimates, np.clip(side * weights, 0, None)) for side in (1, -1))
    return compare(more, less).p_value
