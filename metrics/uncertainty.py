"""A value with its standard error, and the errors that all metrics share."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from html import escape

import numpy as np
from numpy.typing import ArrayLike, NDArray

from metrics.errors import MetricsError

__all__ = [
    "Estimate",
    "clustered_standard_error",
    "contributions",
    "degrees_of_freedom",
    "jackknife_error",
    "joint_covariance",
    "kurtosis",
    "partners",
    "standard_error_of_mean",
    "with_clusters",
]

_INTERVAL = 1.96
"""Half the width of a 95% interval in standard errors."""


@dataclass(frozen=True, eq=False, repr=False)
class Estimate:
    """A metric's value over n generated images, with its standard error.

    The error is that of drawing other generated images (other noise, other prompts). The real images are held
    fixed, since every cell of a sweep is compared with the same ones. The bias that a finite n gives the
    value is not part of it.

    Attributes:
        value: The metric's value.
        standard_error: None if no error can be given; ``note`` then says why.
        n: Number of generated images.
        per_image: Each image's contribution [n] float64, up to a constant and to first order. For two cells
            over the same prompts in the same order, the differences give the standard error of the difference
            (metrics.compare). None if there is no error.
        note: What a reader must know about the value.
        per_pair: What n pairs of images contribute beyond their single images [n] (jackknife_error), with the
            same pairs for equal n; None for metrics that do not need it.
        clusters: Which images share a prompt [n] int, if some do (with_clusters), or a block of images
            (metrics.blocks), else None.
        protocol: The name of the protocol; "" for a formula applied to bare features.
        parts: What the images' values consist of, by name: values [n], NaN for an image without that part.
    """

    value: float
    standard_error: float | None
    n: int
    per_image: NDArray[np.float64] | None
    note: str = ""
    per_pair: NDArray[np.float64] | None = None
    clusters: NDArray[np.intp] | None = None
    protocol: str = ""
    parts: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)

    @property
    def interval(self) -> tuple[float, float] | None:
        """The 95% interval, ``value`` plus and minus 1.96 standard errors; None without an error."""
        if self.standard_error is None:
            return None
        reach = _INTERVAL * self.standard_error
        return self.value - reach, self.value + reach

    def __repr__(self) -> str:
        what = f"{self.protocol} " if self.protocol else ""
        return f"Estimate({what}{self.in_words()})"

    def _repr_html_(self) -> str:
        what = f"<code>{escape(self.protocol)}</code> " if self.protocol else ""
        return f"<p>{what}<b>{self.in_words()}</b></p>"

    def in_words(self) -> str:
        """Return the value with two digits of its error, the interval and n."""
        if self.interval is None or not self.standard_error:
            return f"{self.value:.6g}, n = {self.n}{'' if self.interval else ', no standard error'}"
        places = min(max(1 - math.floor(math.log10(self.standard_error)), 0), 9)
        value, error, low, high = (
            f"{number:.{places}f}" for number in (self.value, self.standard_error, *self.interval)
        )
        return f"{value} ± {error}, 95% interval {low} to {high}, n = {self.n}"


def standard_error_of_mean(values: NDArray[np.float64]) -> float:
    """Return std(values, ddof=1) / sqrt(n) of values [n], n >= 2."""
    return float(np.std(values, ddof=1)) / math.sqrt(values.size)


def kurtosis(values: NDArray[np.float64]) -> float:
    """Return the fourth central moment of values [n] over the square of the second: 3 for normal values.

    At least 1 if the values vary; 0 if they are all equal.
    """
    squares = (values - values.mean()) ** 2
    return float(np.mean(squares**2)) / float(squares.mean()) ** 2 if squares.any() else 0.0


def degrees_of_freedom(parts: NDArray[np.float64]) -> float:
    """Return the degrees of freedom of the variance that independent contributions [m] estimate.

    Those of the chi-square distribution that varies as much as the estimate (Satterthwaite, "An approximate
    distribution of estimates of variance components", 1946): 2 m / (kurtosis - 1), at most m - 1. If a few
    images make most of the spread, the error itself is uncertain and an interval wider.
    """
    m, beyond = parts.size, kurtosis(parts) - 1
    return float(min(2 * m / beyond, m - 1)) if beyond > 0 else float(m - 1)


def jackknife_error(
    per_image: NDArray[np.float64],
    per_pair: NDArray[np.float64] | None = None,
    clusters: NDArray[np.intp] | None = None,
) -> float:
    """Return the standard error of a value or difference from leaving out images and pairs of images.

    With T_i and T_ij the value without image i and without images i and j, ``per_image`` [n] holds
    (n - 1) (T - T_i) up to a constant, and ``per_pair`` holds n T - (n - 1) (T_i + T_j) + (n - 2) T_ij, in
    which the single contributions cancel. The jackknife counts the variance from pairs twice (Efron and
    Stein, "The jackknife estimate of variance", 1981): it is subtracted once, but never more than half of the
    whole. Images of one cluster do not count as independent (clustered_standard_error).
    """
    if clusters is None:
        single = standard_error_of_mean(per_image)
    else:
        single = clustered_standard_error(per_image, clusters)
    if per_pair is not None and clusters is not None:
        per_pair = per_pair[clusters != clusters[partners(clusters.size)]]
    if per_pair is None or not per_pair.size:
        return single
    return math.sqrt(max(single**2 - float(np.mean(per_pair**2)) / 2, single**2 / 2))


def contributions(
    per_image: NDArray[np.float64], clusters: NDArray[np.intp] | None = None
) -> NDArray[np.float64]:
    """Return the centred contributions [m] of independent parts: images [n], or prompts that images share."""
    apart = per_image - per_image.mean()
    return apart if clusters is None else np.bincount(clusters, weights=apart).astype(np.float64)


def joint_covariance(parts: NDArray[np.float64], n: int) -> NDArray[np.float64]:
    """Return the covariance [k, k] of the means of n images, from their independent contributions [k, m]."""
    return np.asarray(parts @ parts.T * (parts.shape[1] / (parts.shape[1] - 1) / n**2))


def partners(n: int) -> NDArray[np.intp]:
    """Return the image that is paired with each of n images: [n].

    Partners are a third of the set apart, so that images of one prompt, which are neighbours, are not paired.
    """
    return np.roll(np.arange(n), -max(1, n // 3))


def with_clusters(estimate: Estimate, prompts: Sequence[str] | None) -> Estimate:
    """Return the estimate with an error that takes images of the same prompt as dependent.

    ``prompts`` [n] are those of the images; without a repeated prompt nothing changes, nor for an estimate
    whose clusters are known. Raises MetricsError if their number is not n.
    """
    if prompts is None or estimate.per_image is None or estimate.clusters is not None:
        return estimate
    names, members = np.unique(list(prompts), return_inverse=True)
    if names.size == members.size == estimate.n:
        return estimate
    if names.size == 1:
        note = "no standard error: 1 prompt, at least 2 are needed"
        return replace(estimate, standard_error=None, per_pair=None, note=note)
    error = jackknife_error(estimate.per_image, estimate.per_pair, members)
    return replace(estimate, standard_error=error, clusters=members)


def clustered_standard_error(values: ArrayLike, clusters: ArrayLike) -> float:
    """Return the standard error of the mean of values [n] that are dependent within clusters.

    ``clusters`` [n] labels each value, for example with the prompt that several images share. Deviations are
    summed within a cluster before they are squared (Liang and Zeger, "Longitudinal data analysis using
    generalized linear models", 1986, for a mean), with the factor g / (g - 1) for g clusters, so that
    clusters of one value give standard_error_of_mean. Raises MetricsError for unequal lengths or fewer than
    two clusters.
    """
    array, labels = np.asarray(values, dtype=np.float64), np.asarray(clusters)
    if array.ndim != 1 or array.shape != labels.shape:
        raise MetricsError(
            f"values {list(array.shape)} and clusters {list(labels.shape)} must be lists of the same length"
        )
    names, members = np.unique(labels, return_inverse=True)
    if names.size < 2:
        raise MetricsError(f"{names.size} cluster of images: a standard error needs at least 2")
    sums = np.bincount(members, weights=array - array.mean())
    return math.sqrt(names.size / (names.size - 1) * float(sums @ sums)) / array.size
