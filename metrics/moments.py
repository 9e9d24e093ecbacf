"""Mean and covariance of a feature set in float64, and their exact merge."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from metrics._checks import as_features, check_same_dimension

__all__ = ["Moments", "merge"]


@dataclass(frozen=True, eq=False)
class Moments:
    """The first two moments of n feature vectors of d dimensions.

    ``mean`` [d] and ``covariance`` [d, d] are float64; the covariance is unbiased (divided by n - 1), as in
    pytorch-fid, torch-fidelity and torchmetrics.
    """

    n: int
    mean: NDArray[np.float64]
    covariance: NDArray[np.float64]

    @classmethod
    def of(cls, features: ArrayLike) -> Moments:
        """Return the moments of features [n, d], n >= 2; MetricsError for anything else."""
        array = as_features(features, "given", minimum=2)
        mean = array.mean(axis=0)
        # Centred first: E[xx'] - mean mean' loses half the digits if the mean is far from zero.
        centred = array - mean
        return cls(n=array.shape[0], mean=mean, covariance=centred.T @ centred / (array.shape[0] - 1))

    @property
    def dim(self) -> int:
        """Number of feature dimensions d."""
        return int(self.mean.shape[0])


def merge(a: Moments, b: Moments) -> Moments:
    """Return the moments of the union of the two sets.

    Chan, Golub and LeVeque, "Updating formulae and a pairwise algorithm for computing sample variances"
    (1979), equation 2.1 in matrix form.
    """
    check_same_dimension(a.dim, b.dim)
    n = a.n + b.n
    delta = b.mean - a.mean
    scatter = a.covariance * (a.n - 1) + b.covariance * (b.n - 1) + np.outer(delta, delta) * (a.n * b.n / n)
    return Moments(n=n, mean=a.mean + delta * (b.n / n), covariance=scatter / (n - 1))
