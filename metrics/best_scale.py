"""The guidance scale at which a curve is best, with a 95% interval from the joint errors of its cells."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from metrics.best import combined, normal_score
from metrics.errors import MetricsError
from metrics.scale_spline import FEWEST_SCALES, scale_spline
from metrics.uncertainty import Estimate, contributions, degrees_of_freedom, joint_covariance, partners

__all__ = ["BestScale", "best_scale"]

_STEPS = 1000
"""Steps between the smallest and the largest scale; the interval is rounded outwards to them."""

_APART = 25
"""A candidate is compared with one in 25 others and with its neighbours: curves are smooth."""

_DRAWS = 4000
_LEVEL = 0.95


@dataclass(frozen=True, eq=False)
class BestScale:
    """The best scale of a curve.

    Attributes:
        scale: Where the curve through the measured values is best.
        low: Lower end of the 95% interval; the smallest measured scale if the best may lie below it.
        high: Upper end; the largest measured scale if the best may lie above it.
        value: The curve at ``scale``, with contributions per image, for ``compare`` with another curve's.
    """

    scale: float
    low: float
    high: float
    value: Estimate


@dataclass(frozen=True, eq=False)
class _Curve:
    """A curve at candidate scales, in units in which higher is better.

    ``values`` [2, G] come from two splines, over the logarithm of the scale and over the scale, with
    ``weights`` [2, G, k] that turn measured values into candidates'. Of the first one, ``roots`` [G, k] have
    the first-order covariance of the candidates as products, ``pairs`` [G, k] the part that pairs of images
    add, and ``slopes`` [G, k] turn the contributions ``parts`` [k, m] of m independent images or prompts into
    those to the slope.
    """

    scales: NDArray[np.float64]
    weights: NDArray[np.float64]
    values: NDArray[np.float64]
    roots: NDArray[np.float64]
    pairs: NDArray[np.float64]
    slopes: NDArray[np.float64]
    parts: NDArray[np.float64]


def best_scale(curve: Mapping[float, Estimate], better: Literal["lower", "higher"]) -> BestScale | None:
    """Return the scale at which a curve is best, with its 95% interval; None without errors.

    The images of all scales share prompts and noise and change smoothly with the scale. So do the values and
    each image's contribution, and a cubic spline in the logarithm of the scale carries both, with their joint
    errors, to the scales in between. Where a spline over the scale itself disagrees, the measured scales are
    too far apart to tell: the less favourable one counts.

    A scale is left out of the interval if another one is better by more than chance explains: its largest
    one-sided paired score over all other scales is compared with the 95% quantile of jointly normal scores
    with the correlations of the data, each lowered by its own score over sqrt(log n) if that is negative, so
    that scales which are clearly worse do not count (Andrews and Soares, "Inference for parameters defined by
    moment inequalities using generalized moment selection", 2010). For a sharp optimum this is the test that
    the slope is 0, for a flat curve Hsu's comparison with the best. The interval reaches from the smallest to
    the largest scale that is left.

    Args:
        curve: The values by guidance scale above 0, over the same prompts in the same order.
        better: The direction of improvement.

    Raises:
        MetricsError: Fewer than FEWEST_SCALES scales, or different numbers of images.
    """
    if len(curve) < FEWEST_SCALES:
        raise MetricsError(f"{len(curve)} guidance scales, at least {FEWEST_SCALES} are needed")
    measured = [curve[scale] for scale in sorted(curve)]
    if len({estimate.n for estimate in measured}) > 1:
        raise MetricsError("the best scale is found among values over the same number of images")
    if any(estimate.per_image is None for estimate in measured):
        return None
    fine = _interpolated(np.array(sorted(curve)), measured, 1 if better == "higher" else -1)
    worse = fine.values.argmin(axis=0)
    best, last = int(fine.values.min(axis=0).argmax()), len(worse) - 1
    draws = np.random.default_rng(0).standard_normal((len(measured), _DRAWS))
    low = max(_outermost(fine, draws, range(best + 1)) - 1, 0)
    high = min(_outermost(fine, draws, range(last, best - 1, -1)) + 1, last)
    value = combined(measured, fine.weights[worse[best], best])
    return BestScale(float(fine.scales[best]), float(fine.scales[low]), float(fine.scales[high]), value)


def _outermost(curve: _Curve, draws: NDArray[np.float64], places: range) -> int:
    """Return the first of the places that may be the best, or the last: by coarse steps, then halving."""
    outer, inner = -1, len(places) - 1
    for index in range(0, inner, _APART):
        if _may_be_best(curve, draws, places[index]):
            inner = index
            break
        outer = index
    while inner - outer > 1:
        middle = (inner + outer) // 2
        if _may_be_best(curve, draws, places[middle]):
            inner = middle
        else:
            outer = middle
    return places[inner]


def _interpolated(scales: NDArray[np.float64], measured: list[Estimate], sign: int) -> _Curve:
    spline = scale_spline(scales, _STEPS)
    parts = np.stack([contributions(np.asarray(e.per_image), e.clusters) for e in measured])
    return _Curve(
        spline.scales,
        spline.weights,
        sign * spline.weights @ [estimate.value for estimate in measured],
        spline.weights[0] @ _root(joint_covariance(parts, measured[0].n)),
        spline.weights[0] @ _root(_covariance_of_pairs(measured)),
        spline.slopes[0],
        parts,
    )


def _covariance_of_pairs(measured: list[Estimate]) -> NDArray[np.float64]:
    """Return what the jackknife counts twice (metrics.uncertainty.jackknife_error): [k, k]."""
    found = [estimate.per_pair for estimate in measured if estimate.per_pair is not None]
    if len(found) < len(measured):
        return np.zeros((len(measured), len(measured)))
    pairs, clusters = np.stack(found), measured[0].clusters
    if clusters is not None:
        pairs = pairs[:, clusters != clusters[partners(clusters.size)]]
    return np.asarray(pairs @ pairs.T / (2 * max(pairs.shape[1], 1)))


def _root(covariance: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return a matrix whose product with its transpose is ``covariance``."""
    sizes, axes = np.linalg.eigh(covariance)
    return np.asarray(axes * np.sqrt(np.clip(sizes, 0, None)))


def _may_be_best(curve: _Curve, draws: NDArray[np.float64], place: int) -> bool:
    """Return whether no other scale is better than that at ``place`` by more than chance explains."""
    from scipy.special import chdtri

    count = curve.values.shape[1]
    others = np.union1d(np.arange(0, count, _APART), [max(place - 1, 0), min(place + 1, count - 1)])
    others = others[others != place]
    directions = curve.roots[others] - curve.roots[place]
    spread = np.linalg.norm(directions, axis=1)
    twice = np.linalg.norm(curve.pairs[others] - curve.pairs[place], axis=1)
    error = np.sqrt(np.maximum(spread**2 - twice**2, spread**2 / 2))
    gaps = (curve.values[:, others] - curve.values[:, [place]]).min(axis=0)
    scores = normal_score(gaps, error, degrees_of_freedom(curve.slopes[place] @ curve.parts))
    largest = scores.max()
    if largest <= 0:
        return True
    if largest > math.sqrt(chdtri(curve.weights.shape[2], 1 - _LEVEL)):  # no joint quantile is larger
        return False
    slack = np.minimum(scores, 0) / math.sqrt(math.log(curve.parts.shape[1]))
    apart = spread > 0
    highest = (directions[apart] / spread[apart, None] @ draws + slack[apart, None]).max(axis=0)
    return bool(largest <= np.quantile(highest, _LEVEL))
