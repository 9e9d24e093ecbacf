"""Frechet distance at infinitely many images.

Chong and Forsyth, "Effectively unbiased FID and Inception score and where to find them" (2020): the expected
distance of n images is a straight line in 1/n to first order, and its value at 1/n = 0 is free of the bias
that makes FIDs of different n incomparable. They fit the line through random subsets of several sizes. Here
it runs through the whole set and all its subsets of n - 1 images, which are computed exactly: no subset is
drawn, so there is no seed and no noise of the drawing, and the line is taken where its curvature is least.
That is the jackknife's correction of bias (Quenouille, "Notes on bias in estimation", 1956).
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

    The correction is the mean of n figures and varies less than the distance itself, so error and
    ``per_image`` are those of the distance (metrics.frechet). Where n is too small for an error, the line is
    too short as well: the value is given with a note and without an error. Raises MetricsError for unusable
    features, n < 4 among them.
    """
    return frechet_estimates(real=real, generated=generated)[1]


def frechet_estimates(*, real: Moments | FrechetReference, generated: ArrayLike) -> tuple[Estimate, Estimate]:
    """Return ``frechet_estimate`` and ``frechet_infinity`` of generated features [n, d] by one decomposition.

    Raises MetricsError for unusable features, n < 4 among them.
    """
    sets = as_reference(real).leave_out(generated, minimum=4)
    jackknife = sets.jackknife()
    plain = with_error(jackknife, sets, sets.distance)
    return plain, replace(plain, value=jackknife.limit)
