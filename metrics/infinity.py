"""Fréchet distance extrapolated to infinitely many images.

Chong and Forsyth, "Effectively unbiased FID and Inception score and where to find them" (2020): to first
order the expected distance of n images is a straight line in 1/n, and its value at 1/n = 0 lacks the bias
that makes FIDs of different n incomparable. They fit the line through random subsets of several sizes. Here
it goes through the whole set and all its subsets of n - 1 images, computed exactly: no subsets are drawn, so
the result has no seed and no sampling noise, and the line is taken where it is straightest. This is the
jackknife's bias correction (Quenouille, "Notes on bias in estimation", 1956).
"""

from __future__ import annotations

from dataclasses import replace

from numpy.typing import ArrayLike

from metrics.frechet import FrechetReference, as_reference, with_error
from metrics.moments import Moments
from metrics.uncertainty import Estimate

__all__ = ["frechet_estimates", "frechet_infinity"]


def frechet_infinity(*, real: Moments | FrechetReference, generated: ArrayLike) -> Estimate:
    """Return the distance that generated features [n, d] would have at infinite n; it can fall below zero.

    The correction is a mean of n distances and varies less than the distance itself, so the error and
    ``per_image`` are those of the distance (metrics.frechet). If n is too small for an error, the
    extrapolation is unreliable too, and the value comes with a note. Raises MetricsError for unusable
    features or n < 4.
    """
    return frechet_estimates(real=real, generated=generated)[1]


def frechet_estimates(*, real: Moments | FrechetReference, generated: ArrayLike) -> tuple[Estimate, Estimate]:
    """Return ``frechet_estimate`` and ``frechet_infinity`` of features [n, d] from one decomposition.

    Raises MetricsError for unusable features or n < 4.
    """
    sets = as_reference(real).leave_out(generated, minimum=4)
    jackknife = sets.jackknife()
    plain = with_error(jackknife, sets, sets.distance)
    return plain, replace(plain, value=jackknife.limit)
