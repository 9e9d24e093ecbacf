"""Precision, recall, density and coverage: how far two feature sets lie in each other's neighbourhoods.

A set's manifold is the union of balls around its points, each reaching to the k-th nearest other point.
Precision and recall: Kynkäänniemi et al., "Improved precision and recall metric for assessing generative
models" (2019), equations 1 and 2, k = 3. Density and coverage: Naeem et al., "Reliable fidelity and diversity
metrics for generative models" (2020), equations 3 and 4, k = 5. Distances are Euclidean, in float64; the
surface belongs to the ball.

All four hold the real set fixed and give the error of drawing other generated images. Precision and density
are means of a value of each generated image. Recall and coverage count real images, which generated images
reach: their error is the exact delete-one jackknife, from the number of real images gained or lost without
each generated one. It is on average too large rather than too small (Efron and Stein, "The jackknife estimate
of variance", 1981).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from metrics._checks import as_features, check_same_dimension
from metrics.uncertainty import Estimate, standard_error_of_mean

__all__ = [
    "ManifoldReference",
    "coverage_estimate",
    "density_estimate",
    "precision_estimate",
    "recall_estimate",
]

_BLOCK_ROWS = 1024

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class ManifoldReference:
    """A real set, prepared for comparisons: features [m, d] and the balls around them.

    ``radii`` [m] are the squared distances to the ``neighbours``-th nearest other real image.
    """

    features: Floats
    neighbours: int
    radii: Floats

    @classmethod
    def of(cls, features: ArrayLike, neighbours: int) -> ManifoldReference:
        """Measure the balls of features [m, d], m > neighbours; MetricsError for unusable ones."""
        rows = as_features(features, "real", minimum=neighbours + 1)
        return cls(rows, neighbours, _nearest(rows, neighbours)[1][:, -1])


def precision_estimate(*, real: ManifoldReference, generated: ArrayLike) -> Estimate:
    """Return the share of generated features [n, d] inside the real manifold; ``per_image`` holds 0 or 1.

    Raises MetricsError for unusable features.
    """
    inside = [(block <= real.radii).any(axis=1) for block in _from_generated(real, generated)]
    return _mean(np.concatenate(inside).astype(np.float64))


def density_estimate(*, real: ManifoldReference, generated: ArrayLike) -> Estimate:
    """Return the mean number of real balls around generated features [n, d], divided by k.

    About 1 for equal distributions, more if the generated images crowd the middle. Raises MetricsError for
    unusable features.
    """
    counts = [(block <= real.radii).sum(axis=1) for block in _from_generated(real, generated)]
    return _mean(np.concatenate(counts) / real.neighbours)


def coverage_estimate(*, real: ManifoldReference, generated: ArrayLike) -> Estimate:
    """Return the share of real images with at least one of the generated features [n, d] in their ball.

    Raises MetricsError for unusable features.
    """
    rows = _generated(real, generated, minimum=1)
    covered, change = 0, np.zeros(len(rows))
    for block, start in _blocks(real.features, rows):
        inside = block <= real.radii[start : start + len(block), None]
        counts = inside.sum(axis=1)
        covered += int((counts > 0).sum())
        np.add.at(change, inside[counts == 1].argmax(axis=1), -1)
    return _jackknife(covered, change, len(real.features))


def recall_estimate(*, real: ManifoldReference, generated: ArrayLike) -> Estimate:
    """Return the share of real images inside the manifold of the generated features [n, d], n > k + 1.

    Leaving a generated image out removes its ball and widens the balls that it bounds. Raises MetricsError
    for unusable features.
    """
    rows = _generated(real, generated, minimum=real.neighbours + 2)
    nearest, distances = _nearest(rows, real.neighbours + 1)
    bounding, radius, wider = nearest[:, :-1], distances[:, -2], distances[:, -1]
    recalled, change = 0, np.zeros(len(rows))
    for block, _ in _blocks(real.features, rows):
        inside = block <= radius
        near = (block <= wider) & ~inside
        counts = inside.sum(axis=1)
        recalled += int((counts > 0).sum())
        change += _gained(near[counts == 0], bounding)
        change -= _lost(inside[counts == 1].argmax(axis=1), near[counts == 1], bounding)
    return _jackknife(recalled, change, len(real.features))


def _gained(near: NDArray[np.bool_], bounding: NDArray[np.intp]) -> Floats:
    """Return, per generated image, how many more real images the manifold holds without it: [n].

    ``near`` [r, n] says which balls would reach real image r if they were one neighbour wider, ``bounding``
    [n, k] which images bound each ball.
    """
    n = len(bounding)
    real, ball = np.nonzero(near)
    # Several widened balls can reach the same real image: it counts once.
    pairs = np.unique(real[:, None] * n + bounding[ball])
    return np.bincount(pairs % n, minlength=n).astype(np.float64)


def _lost(only: NDArray[np.intp], near: NDArray[np.bool_], bounding: NDArray[np.intp]) -> Floats:
    """Return, per generated image, how many real images leave the manifold with it: [n].

    ``only`` [r] is the single image whose ball holds real image r. Without it a wider ball may hold r.
    """
    real, ball = np.nonzero(near)
    rescued = np.zeros(len(only), dtype=bool)
    rescued[real[(bounding[ball] == only[real, None]).any(axis=1)]] = True
    return np.bincount(only[~rescued], minlength=len(bounding)).astype(np.float64)


def _mean(values: Floats) -> Estimate:
    n = values.size
    return _estimate(float(values.mean()), n, values)


def _jackknife(count: int, change: Floats, m: int) -> Estimate:
    """Return a count as a share of m real images; ``change`` [n] is its change without each image."""
    n = change.size
    # Scaled so that std / sqrt(n) is the jackknife's standard error.
    return _estimate(count / m, n, -(n - 1) / m * change)


def _estimate(value: float, n: int, per_image: Floats) -> Estimate:
    if per_image.min() == per_image.max():
        note = f"no standard error: all {n} generated images count the same"
        return Estimate(value=value, standard_error=None, n=n, per_image=None, note=note)
    return Estimate(value=value, standard_error=standard_error_of_mean(per_image), n=n, per_image=per_image)


def _generated(real: ManifoldReference, generated: ArrayLike, minimum: int) -> Floats:
    rows = as_features(generated, "generated", minimum=minimum)
    check_same_dimension(real.features.shape[1], rows.shape[1])
    return rows


def _from_generated(real: ManifoldReference, generated: ArrayLike) -> Iterator[Floats]:
    rows = _generated(real, generated, minimum=1)
    return (block for block, _ in _blocks(rows, real.features))


def _nearest(rows: Floats, count: int) -> tuple[NDArray[np.intp], Floats]:
    """Return the ``count`` nearest other rows of each row, nearest first, and their squared distances."""
    indices, distances = [], []
    for block, start in _blocks(rows, rows):
        own = np.arange(len(block))
        block[own, start + own] = np.inf
        found = np.argpartition(block, count - 1, axis=1)[:, :count]
        lengths = np.take_along_axis(block, found, axis=1)
        order = np.argsort(lengths, axis=1)
        indices.append(np.take_along_axis(found, order, axis=1))
        distances.append(np.take_along_axis(lengths, order, axis=1))
    return np.concatenate(indices), np.concatenate(distances)


def _blocks(x: Floats, y: Floats) -> Iterator[tuple[Floats, int]]:
    """Yield the squared distances of a block of x to all of y, and the block's first row.

    In blocks, since 10,000 x 10,000 pairs at once would take 800 MB.
    """
    y_lengths = np.einsum("ij,ij->i", y, y)
    for start in range(0, len(x), _BLOCK_ROWS):
        rows = x[start : start + _BLOCK_ROWS]
        squares = np.einsum("ij,ij->i", rows, rows)[:, None] + y_lengths - 2 * rows @ y.T
        yield np.maximum(squares, 0), start
