"""Kernel distance: the unbiased squared maximum mean discrepancy with the cubic polynomial kernel.

Gretton et al., "A kernel two-sample test" (2012), equation 3. With the kernel k(x, y) = (x.y / d + 1)^3 on
Inception features it is the KID of Binkowski et al., "Demystifying MMD GANs" (2018), section 4.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from metrics._checks import as_features, check_same_dimension
from metrics._pairs import row_sums
from metrics.uncertainty import Estimate, jackknife_error, partners

__all__ = ["KernelReference", "kernel_estimate"]


@dataclass(frozen=True)
class KernelReference:
    """A real set, prepared for comparisons: features [m, d], and the mean kernel of its m (m - 1) pairs."""

    features: NDArray[np.float64]
    mean_kernel: float

    @classmethod
    def of(cls, features: ArrayLike) -> KernelReference:
        """Compare all pairs of features [m, d], m >= 2; MetricsError for unusable ones."""
        rows = as_features(features, "real", minimum=2)
        m = len(rows)
        total = float((row_sums(_kernel, rows, rows) - _self_kernel(rows)).sum())
        return cls(rows, total / (m * (m - 1)))


def kernel_estimate(*, real: KernelReference, generated: ArrayLike) -> Estimate:
    """Return the unbiased MMD^2 between a real set and generated features [n, d], n >= 2.

    All pairs are used rather than random subsets, so the value has no seed. It is unbiased, so it can fall
    below zero if the sets agree.

    With the real set held fixed, the value is a U-statistic of the generated images with kernel
        h(y, y') = k(y, y') - a(y) - a(y'),    a(y) = mean over the real images of k(x, y),
    plus a constant. Its variance is estimated by the jackknife (Arvesen, "Jackknifing U-statistics", 1969),
    which has a closed form: leaving image i out moves the value by 2 (g_i - mean g) / (n - 2), where g_i is
    the mean of h over the other images. Near the real set all variance comes from pairs, which the jackknife
    counts twice; ``per_pair`` corrects for that (metrics.uncertainty). n < 4 gives no error. Raises
    MetricsError for unusable features.
    """
    features = as_features(generated, "generated", minimum=2)
    check_same_dimension(real.features.shape[1], features.shape[1])
    n = len(features)

    within = (row_sums(_kernel, features, features) - _self_kernel(features)) / (n - 1)
    across = row_sums(_kernel, features, real.features) / len(real.features)
    value = real.mean_kernel + float(within.mean()) - 2 * float(across.mean())
    if n < 4:
        note = f"no standard error: {n} images, at least 4 are needed"
        return Estimate(value=value, standard_error=None, n=n, per_image=None, note=note)

    # g_i = within_i - a_i - mean of a over the others, and the last term is (n mean(a) - a_i) / (n - 1).
    # The variance of the mean of 2 (n-1)/(n-2) g_i is the jackknife variance.
    projection = within - across * (n - 2) / (n - 1)
    deviation = projection - projection.mean()
    per_image = 2 * (n - 1) / (n - 2) * deviation
    per_pair = _pairs(features, across, deviation, value - real.mean_kernel)
    error = jackknife_error(per_image, per_pair)
    return Estimate(value=value, standard_error=error, n=n, per_image=per_image, per_pair=per_pair)


def _pairs(
    features: NDArray[np.float64], across: NDArray[np.float64], deviation: NDArray[np.float64], mean: float
) -> NDArray[np.float64]:
    """Return n T - (n - 1) (T_i + T_j) + (n - 2) T_ij for n pairs: [n].

    With h' = h - mean h, R_i the sum of h' over the pairs with image i, and the sum of h' over all pairs 0:
    T_i = mean - R_i / C(n - 1, 2) and T_ij = mean - (R_i + R_j - h'_ij) / C(n - 2, 2).
    """
    n, others = len(features), partners(len(features))
    shared = (np.einsum("ij,ij->i", features, features[others]) / features.shape[1] + 1.0) ** 3
    h = shared - across - across[others] - mean
    sums = (n - 1) * (deviation + deviation[others])
    return np.asarray(2 * (h / (n - 3) - sums / ((n - 2) * (n - 3))))


def _kernel(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return (x.y / d + 1)^3 for all pairs: [m, d], [n, d] -> [m, n]."""
    base = x @ y.T / x.shape[1] + 1.0
    return np.asarray(base * base * base)  # several times as fast as ** 3


def _self_kernel(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return k(x_i, x_i): [n, d] -> [n]."""
    return np.asarray((np.einsum("ij,ij->i", x, x) / x.shape[1] + 1.0) ** 3)
