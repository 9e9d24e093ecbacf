"""tr (L' S L)^(1/2) of a set of images, and of that set without one or two of them."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Spectrum", "eigenvalues_of_product", "kept_eigenvalues"]

_STEP = 0.4
_REACH = 1e7


@dataclass(frozen=True, eq=False)
class Spectrum:
    """Singular values and vectors of C L / sqrt(n - 1), the directions without variance left out.

    C [n, d] holds centred features and L [d, r] a factor of the real covariance. ``roots`` [k] are the
    singular values, so that their sum is tr (L' S L)^(1/2); ``scores`` [n, k] the images' coordinates on
    the axes, each of mean 0 and variance 1. A direction without variance in the real or the generated
    set (a dead unit of the extractor) adds nothing to the trace.
    """

    roots: NDArray[np.float64]
    scores: NDArray[np.float64]

    @classmethod
    def of(cls, centred: NDArray[np.float64], factor: NDArray[np.float64]) -> Spectrum:
        """Decompose C L through the smaller of its two products with itself, r x r or n x n."""
        n, rank = len(centred), factor.shape[1]
        if n > rank:
            eigenvalues, axes = np.linalg.eigh(_sandwich(centred.T @ centred / (n - 1), factor), UPLO="L")
            kept = kept_eigenvalues(eigenvalues, n)
            roots = np.sqrt(eigenvalues[kept])
            return cls(roots, centred @ (factor @ (axes[:, kept] / roots)))
        rows = centred @ factor
        eigenvalues, vectors = np.linalg.eigh(rows @ rows.T / (n - 1))
        kept = kept_eigenvalues(eigenvalues, n)
        return cls(np.sqrt(eigenvalues[kept]), vectors[:, kept] * math.sqrt(n - 1))

    @property
    def trace(self) -> float:
        """tr (L' S L)^(1/2)."""
        return float(self.roots.sum())

    def without_one(self) -> NDArray[np.float64]:
        """Return the trace of the set without image i, for every i: [n], n >= 3.

        Taking a row from centred features takes n / (n - 1) times its square from the scatter matrix.
        """
        n = len(self.scores)
        leverage = self._leverages(self.scores, self.scores)
        return math.sqrt((n - 1) / (n - 2)) * (
            self.trace + _integral(1 - n / (n - 1) * leverage, self._nodes)
        )

    def without_two(self, partners: NDArray[np.intp]) -> NDArray[np.float64]:
        """Return the trace of the set without the images i and partners[i]: [n], n >= 4.

        The scatter matrix loses x x' + y y' + (x + y)(x + y)' / (n - 2) = v v' + w w', v = (x - y) / sqrt(2)
        and w = (x + y) sqrt(n / (2 n - 4)). Where images alone span directions each factor of the determinant
        of 2 x 2 falls to 0 with u^2: multiplied out, rounding would hide it for u below 1e-4, not 1e-8.
        """
        n = len(self.scores)
        own = self._leverages(self.scores, self.scores)
        shared = self._leverages(self.scores, self.scores[partners])
        both, share = own + own[partners], n / (n - 2)
        mixed = share * (own - own[partners]) ** 2 / 4
        determinant = (1 - both / 2 + shared) * (1 - share * (both / 2 + shared)) - mixed
        return math.sqrt((n - 1) / (n - 3)) * (self.trace + _integral(determinant, self._nodes))

    @property
    def _nodes(self) -> NDArray[np.float64]:
        """Nodes [q] of the integral: even in log u, far beyond the roots on either side."""
        if not self.roots.size:
            return self.roots
        low, high = math.log(self.roots.min() / _REACH), math.log(self.roots.max() * _REACH)
        return np.exp(np.arange(low, high, _STEP))

    def _leverages(self, x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return x_i' (M + u^2)^(-1) y_i / (n - 1) at the nodes u, for rows given by scores: [n, q]."""
        damping = self.roots[:, None] ** 2 / (self.roots[:, None] ** 2 + self._nodes**2)
        return np.asarray((x * y) @ damping / (len(self.scores) - 1))


def _integral(determinants: NDArray[np.float64], nodes: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return tr (M - D)^(1/2) - tr M^(1/2) for small-rank D by its determinants: [n, q] -> [n].

    From m^(1/2) = (1 / 2 pi) int_0^inf t^(-1/2) log(1 + m / t) dt with t = u^2 and the determinant lemma,
        tr (M - D)^(1/2) - tr M^(1/2) = (1 / pi) int_0^inf log det(1 - (M + u^2)^(-1) D) du.
    In log u the integrand is analytic and falls off at both ends: the trapezoidal rule converges
    exponentially.
    """
    # Without a row that alone spans a direction the determinant is 0 at u = 0, where rounding can pass it.
    return np.asarray(np.log(np.maximum(determinants, 1e-30)) @ (nodes * (_STEP / math.pi)))


def eigenvalues_of_product(
    covariance: NDArray[np.float64], factor: NDArray[np.float64], n: int
) -> NDArray[np.float64]:
    """Return the eigenvalues of L' S L, S that of n images, that are more than rounding, ascending."""
    from scipy.linalg import eigvalsh

    product = _sandwich(covariance, factor)
    eigenvalues = eigvalsh(product, lower=True, overwrite_a=True, check_finite=False, driver="evd")
    return np.asarray(eigenvalues[kept_eigenvalues(eigenvalues, n)])


def kept_eigenvalues(eigenvalues: NDArray[np.float64], n: int) -> NDArray[np.bool_]:
    """Return which of the ascending eigenvalues [d] of a covariance of n images are more than rounding.

    n images span n - 1 directions; n = 0 stands for an unknown number. Rounding of the others depends on the
    machine's linear algebra and counts by its square root, so that no cutoff alone would do.
    """
    cutoff = eigenvalues.max(initial=0.0) * eigenvalues.size * np.finfo(np.float64).eps
    spanned = n - 1 if n else eigenvalues.size
    return np.asarray((eigenvalues > cutoff) & (np.arange(eigenvalues.size) >= eigenvalues.size - spanned))


def _sandwich(covariance: NDArray[np.float64], factor: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return L' S L; only its lower triangle counts.

    For a triangular L [d, d], Cholesky's, LAPACK reduces a generalised eigenproblem in this way (its dsygst,
    itype 2): a quarter of the work of two full products.
    """
    if factor.shape[0] != factor.shape[1] or np.triu(factor, 1).any():
        return np.asarray(factor.T @ covariance @ factor)
    from scipy.linalg.lapack import dsygst

    product, info = dsygst(covariance, factor, itype=2, lower=1)
    assert info == 0, info  # anything else is a wrong argument
    return np.asarray(product)
