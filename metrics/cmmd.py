"""CMMD: the squared maximum mean discrepancy with a Gaussian kernel on CLIP features of length one.

Jayasumana et al., "Rethinking FID: towards a better evaluation metric for image generation" (2024),
section 4: k(x, y) = exp(-|x - y|^2 / (2 sigma^2)) with sigma = 10, times 1000. The estimator is the biased
one of Gretton et al., "A kernel two-sample test" (2012), equation 5, which includes each point's kernel with
itself. The authors' code computes it; their paper prints the unbiased one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from metrics._checks import as_features, as_unit_rows, check_same_dimension
from metrics._pairs import row_sums
from metrics.uncertainty import Estimate, standard_error_of_mean

__all__ = ["CmmdReference", "cmmd_estimate"]

_SIGMA = 10.0
_SCALE = 1000.0


@dataclass(frozen=True, eq=False)
class CmmdReference:
    """A real set, prepared for comparisons: unit features [m, d], and the mean kernel of its m^2 pairs."""

    features: NDArray[np.float64]
    mean_kernel: float

    @classmethod
    def of(cls, features: ArrayLike) -> CmmdReference:
        """Compare all pairs of features [m, d] of any length; MetricsError for unusable ones."""
        rows = as_unit_rows(as_features(features, "real"), "real")
        return cls(rows, float(_mean_kernels(rows, rows).mean()))


def cmmd_estimate(*, real: CmmdReference, generated: ArrayLike) -> Estimate:
    """Return 1000 times the biased MMD^2 between a real set and generated features [n, d] of any length.

    With the real set held fixed, an image y moves the value to first order by twice the mean of k(y, .) over
    the generated images less that over the real ones; the spread of these gives the standard error. The bias
    is at most 1000 (1 / n + 1 / m) (1 - exp(-2 / sigma^2)), 0.004 for 10,000 of each. Raises MetricsError for
    unusable features.
    """
    rows = as_unit_rows(as_features(generated, "generated"), "generated")
    check_same_dimension(real.features.shape[1], rows.shape[1])
    n = len(rows)
    within, across = _mean_kernels(rows, rows), _mean_kernels(rows, real.features)
    value = _SCALE * (real.mean_kernel + float(within.mean()) - 2 * float(across.mean()))
    if n == 1:
        note = "no standard error: 1 image, at least 2 are needed"
        return Estimate(value=value, standard_error=None, n=n, per_image=None, note=note)
    influence = 2 * _SCALE * (within - across)
    per_image = influence - influence.mean()
    return Estimate(value=value, standard_error=standard_error_of_mean(per_image), n=n, per_image=per_image)


def _mean_kernels(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the mean kernel of each row of x [n, d] with the rows of y [m, d], all of length one: [n]."""
    return row_sums(_kernel, x, y) / len(y)


def _kernel(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the kernel of all pairs of rows of length one; for these |x - y|^2 = 2 - 2 x.y."""
    return np.asarray(np.exp((x @ y.T - 1) / _SIGMA**2))
