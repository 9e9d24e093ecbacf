"""Fréchet distance between Gaussians fitted to two feature sets, and its standard error.

The distance: Dowson and Landau, "The Fréchet distance between multivariate normal distributions" (1982); on
Inception features it is the FID of Heusel et al., "GANs trained by a two time-scale update rule converge to a
local Nash equilibrium" (2017), equation 6. On other features it is a Fréchet distance, not an FID.

Only symmetric matrices are decomposed, in float64. With L any factor of the real covariance, S_r = L L', the
product S_r S_g has the eigenvalues of L' S_g L, which are the squared singular values of C L over n - 1,
where C [n, d] holds the centred generated features. The smaller Gram matrix of C L is decomposed.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from metrics._arrays import Array
from metrics._checks import as_features, check_same_dimension
from metrics._spectrum import eigenvalues_of_product, first_kept
from metrics.frechet_jackknife import Jackknife, LeaveOut
from metrics.moments import Moments
from metrics.uncertainty import Estimate, kurtosis

__all__ = [
    "HEAVY",
    "FrechetReference",
    "as_reference",
    "frechet_distance",
    "frechet_estimate",
    "too_few",
    "with_error",
]

_LEAST_IMAGES = 32
_LEAST_PER_DIMENSION = 2
HEAVY = 6.0
_LEAST_PER_DIMENSION_HEAVY = 4
"""With fewer images the simulated intervals covered too rarely (docs/statistics.md).

If the kurtosis of the values per image is above HEAVY, a few make most of the spread, and more are needed.
"""


@dataclass(frozen=True, eq=False)
class FrechetReference:
    """A real set, prepared for comparisons: its moments and a factor of its covariance.

    ``factor`` [d, r], r <= d, has factor @ factor.T = covariance. Comparisons run on its device.
    """

    moments: Moments
    factor: Array

    @classmethod
    def of(cls, real: Moments | ArrayLike) -> FrechetReference:
        """Factorise the covariance of real features [m, d], or of their moments.

        Cholesky if the covariance is positive definite, else its eigensystem.
        """
        moments = real if isinstance(real, Moments) else Moments.of(real)
        if moments.n == 0 or moments.n > moments.dim:
            with suppress(np.linalg.LinAlgError):
                return cls(moments, np.asarray(np.linalg.cholesky(moments.covariance), dtype=np.float64))
        eigenvalues, vectors = np.linalg.eigh(moments.covariance)
        first = first_kept(eigenvalues, moments.n)
        return cls(moments, vectors[:, first:] * np.sqrt(eigenvalues[first:]))

    def on(self, device: str) -> FrechetReference:
        """Return the reference on a torch device that has float64, such as "cuda"."""
        import torch

        return replace(self, factor=torch.as_tensor(self.factor, device=device))

    def leave_out(self, generated: ArrayLike, minimum: int) -> LeaveOut:
        """Decompose generated features [n, d], n >= minimum; MetricsError for unusable ones."""
        features = as_features(generated, "generated", minimum)
        check_same_dimension(self.moments.dim, features.shape[1])
        return LeaveOut.of(features, self.moments.mean, float(np.trace(self.moments.covariance)), self.factor)


def frechet_distance(*, real: Moments | FrechetReference, generated: Moments) -> float:
    """Return |mu_r - mu_g|^2 + tr(S_r) + tr(S_g) - 2 tr((S_r^(1/2) S_g S_r^(1/2))^(1/2)), at least 0.

    The unit is that of the squared features. Covariances may be singular (n <= d). Raises MetricsError if the
    sets differ in dimension.
    """
    reference = as_reference(real)
    moments = reference.moments
    check_same_dimension(moments.dim, generated.dim)
    gap = moments.mean - generated.mean
    traces = np.trace(moments.covariance) + np.trace(generated.covariance)
    roots = np.sqrt(eigenvalues_of_product(generated.covariance, reference.factor, generated.n))
    # Rounding can give -1e-16 for equal sets.
    return max(float(gap @ gap + traces - 2 * roots.sum()), 0.0)


def frechet_estimate(*, real: Moments | FrechetReference, generated: ArrayLike) -> Estimate:
    """Return the distance of generated features [n, d], n >= 2, from the real ones, with its standard error.

    The error is the jackknife's, with the real set held fixed: ``per_image`` holds (n - 1) (mean - T_i),
    where T_i is the exact distance without image i. Near the real set most of the variance comes from pairs
    of images, which the plain jackknife counts twice; ``per_pair`` corrects for that (metrics.uncertainty).
    docs/statistics.md shows the coverage. Raises MetricsError for unusable features.
    """
    sets = as_reference(real).leave_out(generated, minimum=2)
    if note := too_few(sets.n, len(sets.gap)):
        return Estimate(value=sets.distance, standard_error=None, n=sets.n, per_image=None, note=note)
    return with_error(sets.jackknife(), sets, sets.distance)


def with_error(jackknife: Jackknife, sets: LeaveOut, value: float) -> Estimate:
    """Return ``value`` with the distance's error, or with a note that says why it has none."""
    heavy = kurtosis(jackknife.per_image) > HEAVY
    if note := too_few(sets.n, len(sets.gap)) or too_few(sets.n, len(sets.gap), heavy=heavy):
        return Estimate(value=value, standard_error=None, n=sets.n, per_image=None, note=note)
    return jackknife.estimate(value)


def too_few(n: int, dimensions: int, *, heavy: bool = False) -> str:
    """Return why n is too small for an error, or ""; ``heavy``: a few images make most of the spread."""
    least = max(_LEAST_IMAGES, (_LEAST_PER_DIMENSION_HEAVY if heavy else _LEAST_PER_DIMENSION) * dimensions)
    if n >= least:
        return ""
    why = " of which a few make most of the spread" if heavy else ""
    needed = f"at least {least} are needed for {dimensions} dimensions"
    return f"no standard error: n = {n} images{why}, {needed}"


def as_reference(real: Moments | FrechetReference) -> FrechetReference:
    """Return the reference itself, or that of the moments."""
    return real if isinstance(real, FrechetReference) else FrechetReference.of(real)
