"""The mean of a value that each image has by itself, computed elsewhere."""

from __future__ import annotations

from numpy.typing import ArrayLike

from metrics._checks import as_features
from metrics.errors import MetricsError
from metrics.uncertainty import Estimate, standard_error_of_mean

__all__ = ["mean_value_estimate"]


def mean_value_estimate(*, generated: ArrayLike) -> Estimate:
    """Return the mean of the values [n, 1] of n images, in their own unit.

    ``per_image`` holds the values; the standard error is that of their mean. Raises MetricsError if a value
    is not finite or an image has several.
    """
    values = as_features(generated, "image")
    if values.shape[1] != 1:
        raise MetricsError(f"a mean takes one value per image, not {values.shape[1]}")
    single, n = values[:, 0], len(values)
    if n == 1:
        note = "no standard error: 1 image, at least 2 are needed"
        return Estimate(float(single[0]), None, n, None, note=note)
    return Estimate(float(single.mean()), standard_error_of_mean(single), n, per_image=single)
