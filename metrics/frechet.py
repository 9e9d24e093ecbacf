"""Frechet distance between Gaussians fitted to two feature sets, and its standard error.

The distance: Dowson and Landau, "The Frechet distance between multivariate normal distributions" (1982),
used on Inception features as FID by Heusel et al., "GANs trained by a two time-scale update rule converge
to a local Nash equilibrium" (2017), equation 6. On other features it is a Frechet distance, not an FID.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from metrics._checks import as_features, check_same_dimension
from metrics.moments import Moments
from metrics.uncertainty import Estimate, standard_error_of_mean

__all__ = ["frechet_distance", "frechet_estimate"]


def frechet_distance(*, real: Moments, generated: Moments) -> float:
    """Return |mu_r - mu_g|^2 + tr(S_r) + tr(S_g) - 2 tr((S_r^(1/2) S_g S_r^(1/2))^(1/2)), at least 0.

    The unit is that of the squared features. The product under the root is symmetric and positive
    semi-definite, so its root needs no complex numbers and exists for singular covariances (n <= d) too.
    Raises MetricsError where the sets differ in dimension.
    """
    check_same_dimension(real.dim, generated.dim)
    root = _matrix_root(real.covariance)
    eigenvalues = np.asarray(np.linalg.eigvalsh(_sandwich(root, generated.covariance)), dtype=np.float64)
    return _distance(real, generated, eigenvalues)


def frechet_estimate(*, real: Moments, generated: ArrayLike) -> Estimate:
    """Return the distance of generated features [n, d] from the real moments, with its standard error.

    With A = S_r^(1/2) and the derivative of tr (A S A)^(1/2) in S, an image with centred features c moves
    the distance by (von Mises expansion, first order)
        2 c.(mu - mu_r) + c'Gc - tr(GS),    G = I - A (A S A)^(-1/2) A,
    and the standard deviation of these influences over sqrt(n) is the standard error, the real set held
    fixed. For n <= d the sample covariance is singular and the inverse root does not exist: the value
    stands, the error is None. Raises MetricsError for unusable features.
    """
    features = as_features(generated, "generated", minimum=2)
    check_same_dimension(real.dim, features.shape[1])
    moments = Moments.of(features)
    root = _matrix_root(real.covariance)
    eigenvalues, eigenvectors = np.linalg.eigh(_sandwich(root, moments.covariance))
    value = _distance(real, moments, eigenvalues)
    if moments.n <= moments.dim:
        note = f"no standard error: n = {moments.n} images, more than the {moments.dim} dimensions are needed"
        return Estimate(value=value, standard_error=None, n=moments.n, per_image=None, note=note)

    inverse_root = _inverse_root(eigenvalues, eigenvectors)
    gradient = np.eye(moments.dim) - root @ inverse_root @ root
    centred = features - moments.mean
    quadratic = np.einsum("ij,ij->i", centred @ gradient, centred)
    influence = 2 * centred @ (moments.mean - real.mean) + quadratic - np.sum(gradient * moments.covariance)
    return Estimate(
        value=value, standard_error=standard_error_of_mean(influence), n=moments.n, per_image=influence
    )


def _distance(real: Moments, generated: Moments, eigenvalues: NDArray[np.float64]) -> float:
    """Put the distance together; ``eigenvalues`` [d] are those of S_r^(1/2) S_g S_r^(1/2)."""
    mean_gap = real.mean - generated.mean
    traces = np.trace(real.covariance) + np.trace(generated.covariance)
    distance = mean_gap @ mean_gap + traces - 2 * np.sqrt(np.clip(eigenvalues, 0, None)).sum()
    # Rounding can leave -1e-16 for equal sets.
    return max(float(distance), 0.0)


def _sandwich(root: NDArray[np.float64], covariance: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return root @ covariance @ root, made symmetric to the last bit."""
    product = root @ covariance @ root
    return (product + product.T) / 2


def _matrix_root(covariance: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the symmetric root of a positive semi-definite matrix; rounding below zero counts as zero."""
    eigenvalues, eigenvectors = np.linalg.eigh(covariance)
    return np.asarray((eigenvectors * np.sqrt(np.clip(eigenvalues, 0, None))) @ eigenvectors.T)


def _inverse_root(eigenvalues: NDArray[np.float64], eigenvectors: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the pseudo-inverse root of a symmetric matrix given by its eigensystem.

    A direction without variance in the real or in the generated set (a dead unit of the extractor) adds
    nothing to the trace of the root, hence nothing to its derivative: it is left out, not divided by.
    """
    cutoff = eigenvalues[-1] * eigenvalues.size * np.finfo(np.float64).eps
    kept = eigenvalues > max(cutoff, 0.0)
    vectors = eigenvectors[:, kept]
    return np.asarray((vectors / np.sqrt(eigenvalues[kept])) @ vectors.T)
