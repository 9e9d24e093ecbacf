"""The trace tr (L' S L)^(1/2) of a set of images, and of that set without one or two of them."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from metrics._arrays import Array, array_namespace, beside, to_numpy

__all__ = ["Spectrum", "eigenvalues_of_product", "first_kept"]

_STEP = 0.4
_REACH = 1e7


@dataclass(frozen=True, eq=False)
class Spectrum:
    """Singular values and vectors of C L / sqrt(n - 1), without the directions that have no variance.

    C [n, d] holds centred features, L [d, r] is a factor of the real covariance. A direction without variance
    in the real or the generated set (a dead unit of the extractor) adds nothing to the trace. Arrays stay on
    the device of C and L.

    Attributes:
        roots: Singular values [k], ascending; their sum is tr (L' S L)^(1/2).
        scores: Coordinates [n, k] of the images on the axes, each of mean 0 and variance 1.
    """

    roots: Array
    scores: Array

    @classmethod
    def of(cls, centred: Array, factor: Array) -> Spectrum:
        """Decompose C L through the smaller of its two Gram matrices, r x r or n x n."""
        n, rank = len(centred), factor.shape[1]
        linalg = array_namespace(centred).linalg
        if n > rank:
            eigenvalues, axes = linalg.eigh(_sandwich(centred.T @ centred / (n - 1), factor))
            first = first_kept(eigenvalues, n)
            roots = eigenvalues[first:] ** 0.5
            return cls(roots, centred @ (factor @ (axes[:, first:] / roots)))
        rows = centred @ factor
        eigenvalues, vectors = linalg.eigh(rows @ rows.T / (n - 1))
        first = first_kept(eigenvalues, n)
        return cls(eigenvalues[first:] ** 0.5, vectors[:, first:] * math.sqrt(n - 1))

    @property
    def trace(self) -> float:
        """tr (L' S L)^(1/2)."""
        return float(self.roots.sum())

    def without_one(self, weights: NDArray[np.float64] | None = None) -> NDArray[np.float64]:
        """Return the trace of the set without image i, for every i: [n], n >= 3.

        Without the row c of the centred features the scatter matrix is smaller by n / (n - 1) c c', or by
        weights[i] c c' if ``weights`` [n] are given.
        """
        n = len(self.scores)
        leverage = self._leverages(self.scores, self.scores)
        lost = n / (n - 1) * leverage if weights is None else beside(weights[:, None], leverage) * leverage
        return math.sqrt((n - 1) / (n - 2)) * (self.trace + _integral(1 - lost, self._nodes))

    def without_two(self, partners: NDArray[np.intp]) -> NDArray[np.float64]:
        """Return the trace of the set without the images i and partners[i]: [n], n >= 4.

        The scatter matrix loses x x' + y y' + (x + y)(x + y)' / (n - 2) = v v' + w w', where
        v = (x - y) / sqrt(2) and w = (x + y) sqrt(n / (2 n - 4)). The 2 x 2 determinant is a product:
        if the two images alone span a direction, its factors fall to 0 with u^2; multiplied out they would
        be lost in rounding below u = 1e-4, not 1e-8.
        """
        n = len(self.scores)
        others = beside(partners, self.scores)
        own = self._leverages(self.scores, self.scores)
        shared = self._leverages(self.scores, self.scores[others])
        both, share = own + own[others], n / (n - 2)
        mixed = share * (own - own[others]) ** 2 / 4
        determinant = (1 - both / 2 + shared) * (1 - share * (both / 2 + shared)) - mixed
        return math.sqrt((n - 1) / (n - 3)) * (self.trace + _integral(determinant, self._nodes))

    @property
    def _nodes(self) -> NDArray[np.float64]:
        """Nodes [q] of the integral, evenly spaced in log u, from far below the roots to far above."""
        if not len(self.roots):
            return np.empty(0)
        low, high = math.log(self.roots[0] / _REACH), math.log(self.roots[-1] * _REACH)
        return np.exp(np.arange(low, high, _STEP))

    def _leverages(self, x: Array, y: Array) -> Array:
        """Return x_i' (M + u^2)^(-1) y_i / (n - 1) at the nodes u, for rows given by their scores: [n, q]."""
        squares = self.roots[:, None] ** 2
        damping = squares / (squares + beside(self._nodes, squares) ** 2)
        return (x * y) @ damping / (len(self.scores) - 1)


def _integral(determinants: Array, nodes: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return tr (M - D)^(1/2) - tr M^(1/2) for D of low rank, from determinants [n, q]: [n].

    From m^(1/2) = (1 / 2 pi) int_0^inf t^(-1/2) log(1 + m / t) dt with t = u^2 and the determinant lemma,
        tr (M - D)^(1/2) - tr M^(1/2) = (1 / pi) int_0^inf log det(1 - (M + u^2)^(-1) D) du.
    In log u the integrand is analytic and falls off at both ends, so the trapezoidal rule converges
    exponentially.
    """
    # If a left-out row alone spans a direction, the determinant is 0 at u = 0; rounding can make it negative.
    logs = array_namespace(determinants).log(determinants.clip(min=1e-30))
    return to_numpy(logs @ beside(nodes * (_STEP / math.pi), logs))


def eigenvalues_of_product(covariance: NDArray[np.float64], factor: Array, n: int) -> NDArray[np.float64]:
    """Return the eigenvalues of L' S L above rounding error, ascending; S is the covariance of n images."""
    product = _sandwich(beside(covariance, factor), factor)
    if isinstance(product, np.ndarray):
        from scipy.linalg import eigvalsh

        eigenvalues = eigvalsh(product, lower=True, overwrite_a=True, check_finite=False, driver="evd")
    else:
        eigenvalues = array_namespace(product).linalg.eigvalsh(product)
    return to_numpy(eigenvalues[first_kept(eigenvalues, n) :])


def first_kept(eigenvalues: Array, n: int) -> int:
    """Return the index of the first of the ascending eigenvalues [d] above rounding error.

    n images span n - 1 directions (n = 0: number unknown), so the other eigenvalues are rounding errors. A
    cutoff alone does not find them: they depend on the linear algebra library, and their square roots enter
    the sum.
    """
    size = len(eigenvalues)
    largest = max(float(eigenvalues[-1]), 0.0) if size else 0.0
    cutoff = largest * size * np.finfo(np.float64).eps
    spanned = n - 1 if n else size
    return max(int((eigenvalues <= cutoff).sum()), size - spanned)


def _sandwich(covariance: Array, factor: Array) -> Array:
    """Return L' S L; only its lower triangle is used.

    For a triangular L [d, d], as Cholesky gives, LAPACK's dsygst (itype 2) takes a quarter of the work of two
    full products.
    """
    numpy = isinstance(factor, np.ndarray)
    if not numpy or factor.shape[0] != factor.shape[1] or np.triu(factor, 1).any():
        return factor.T @ covariance @ factor
    from scipy.linalg.lapack import dsygst

    product, info = dsygst(covariance, factor, itype=2, lower=1)
    assert info == 0, info  # other values mean a wrong argument
    return product
