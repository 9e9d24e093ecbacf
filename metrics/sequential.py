"""Confidence sequences: intervals that stay valid however often they are looked at.

A 95% interval for one n covers the truth in 95% of runs. Looked at after every block, it misses the truth at
some look far more often. A confidence sequence covers it at all looks together, so a run may stop at any of
them for any reason.

Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas, "Time-uniform central limit theory and asymptotic confidence
sequences" (Annals of Statistics, 2024): the normal mixture of Robbins, "Statistical methods related to the
law of the iterated logarithm" (1970), with estimated errors.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from metrics.compare import Comparison
from metrics.errors import MetricsError

__all__ = ["FEWEST_TO_LOOK", "INTENDED_N", "always_valid_factor", "settled_order", "too_skewed"]

FEWEST_TO_LOOK = 128
"""Nothing is settled with fewer images: the spread of a few skewed values is too uncertain."""

INTENDED_N = 500
"""Number of images at which the intervals are narrowest; from a quarter of it to twenty times it they are at
most a tenth wider. A constant, not a share of the prompts, so that more prompts do not change the intervals.
"""


def always_valid_factor(n: int, miss: float) -> float:
    """Return the half-width of the interval of n images, in standard errors.

    With probability 1 - ``miss``, 0 < miss < 1, the true value lies in the intervals of all n. With
    t = n c / INTENDED_N the factor is sqrt(2 (1 + 1/t) log(sqrt(t + 1) / miss)), and
    c = -2 log(miss) + log(1 - 2 log(miss)) makes it nearly smallest at INTENDED_N. Infinite below
    FEWEST_TO_LOOK. Raises MetricsError for another ``miss``.
    """
    if not 0 < miss < 1:
        raise MetricsError(f"the chance of a miss must lie between 0 and 1, got {miss}")
    if n < FEWEST_TO_LOOK:
        return math.inf
    doubled = -2 * math.log(miss)
    t = n / INTENDED_N * (doubled + math.log1p(doubled))
    return math.sqrt(2 * (1 + 1 / t) * (math.log1p(t) / 2 - math.log(miss)))


def too_skewed(values: NDArray[np.float64]) -> bool:
    """Return whether the values [n] are too skewed for a normal interval of their mean.

    Cochran, "Sampling Techniques" (1977), section 2.15: it needs n above 25 times the squared skewness.
    Differences of two cells are nearly symmetric and need no such test.
    """
    deviations = values - values.mean()
    variance = float(np.mean(deviations**2))
    if variance == 0:
        return False
    return 25 * float(np.mean(deviations**3)) ** 2 / variance**3 >= values.size


def settled_order(pair: Comparison, n: int, miss: float) -> int:
    """Return the sign of a - b if the interval of n images excludes 0, else 0."""
    if pair.standard_error is None:
        return 0
    if not abs(pair.difference) > always_valid_factor(n, miss) * pair.standard_error:
        return 0
    return 1 if pair.difference > 0 else -1
