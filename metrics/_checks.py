"""Checks on feature sets, shared by the metrics."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from metrics.errors import MetricsError

__all__ = ["as_features", "as_unit_rows", "check_same_dimension"]


def as_features(features: ArrayLike, role: str, minimum: int = 1) -> NDArray[np.float64]:
    """Return ``features`` as float64 [n, d].

    Args:
        features: One row per image.
        role: Names the set in error messages ("real", "generated", ...).
        minimum: The smallest n that the caller can work with.

    Raises:
        MetricsError: The shape is wrong, there are too few rows, or a value is not finite; averaged
            away, a NaN would give a wrong value without a trace.
    """
    array = np.asarray(features, dtype=np.float64)
    if array.ndim != 2:
        raise MetricsError(f"{role} features must be of shape [images, dimensions], got {list(array.shape)}")
    count, dimensions = array.shape
    if dimensions == 0:
        raise MetricsError(f"{role} features have no dimensions: the shape is {list(array.shape)}")
    if count < minimum:
        raise MetricsError(f"{role} features: {count} images, at least {minimum} needed")
    bad_rows = np.flatnonzero(~np.isfinite(array).all(axis=1))
    if bad_rows.size:
        raise MetricsError(
            f"{role} features: {bad_rows.size} of {count} rows hold NaN or infinity, first row {bad_rows[0]}"
        )
    return array


def as_unit_rows(rows: NDArray[np.float64], role: str) -> NDArray[np.float64]:
    """Return the rows [n, d] scaled to length one; MetricsError names the first row that is all zeros."""
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    if not lengths.all():
        row = int(np.flatnonzero(lengths == 0)[0])
        raise MetricsError(f"{role} features: row {row} is all zeros, it has no direction")
    return np.asarray(rows / lengths)


def check_same_dimension(real: int, generated: int) -> None:
    """Raise MetricsError if the two sets differ in dimension, so cannot come from one extractor."""
    if real != generated:
        raise MetricsError(
            f"real features have {real} dimensions, generated ones {generated}: use one extractor for both"
        )
