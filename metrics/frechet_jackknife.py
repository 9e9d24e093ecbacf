"""The Fréchet distance of a set without one image, or without two, for all images at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from metrics._arrays import Array, array_namespace, beside, to_numpy
from metrics._spectrum import Spectrum
from metrics.uncertainty import Estimate, jackknife_error, partners

__all__ = ["Jackknife", "LeaveOut"]


@dataclass(frozen=True, eq=False)
class Jackknife:
    """What leaving images out says about a distance: its error and its limit at infinite n.

    ``per_image`` and ``per_pair`` are the inputs of metrics.uncertainty.jackknife_error. ``limit``
    extrapolates the straight line in 1/n through the distances of n and of n - 1 images to 1/n = 0.
    """

    per_image: NDArray[np.float64]
    per_pair: NDArray[np.float64]
    limit: float

    def estimate(self, value: float) -> Estimate:
        """Return ``value`` with the distance's error."""
        error = jackknife_error(self.per_image, self.per_pair)
        return Estimate(value, error, self.per_image.size, self.per_image, per_pair=self.per_pair)


@dataclass(frozen=True, eq=False)
class LeaveOut:
    """The distance of n generated features from a real set, with and without some of the images.

    ``gap`` [d] is the generated mean less the real one, ``centred`` [n, d] the features less their mean. One
    eigendecomposition serves all methods; they compute on the device of the real covariance's factor.
    """

    n: int
    real_trace: float
    gap: Array
    centred: Array
    spectrum: Spectrum

    @classmethod
    def of(
        cls,
        features: NDArray[np.float64],
        mean: NDArray[np.float64],
        trace: float,
        factor: Array,
    ) -> LeaveOut:
        """Decompose features [n, d], n >= 2, against a real ``mean`` [d], ``trace`` and ``factor``."""
        placed = beside(features, factor)
        centre = placed.mean(axis=0)
        centred = placed - centre
        gap = centre - beside(mean, factor)
        return cls(len(features), trace, gap, centred, Spectrum.of(centred, factor))

    @property
    def squares(self) -> NDArray[np.float64]:
        """Squared lengths |c_i|^2 of the centred features: [n]."""
        return self._products(self.centred)

    @property
    def distance(self) -> float:
        """The distance of the whole set."""
        traces = self.real_trace + float(self.squares.sum()) / (self.n - 1)
        # Rounding can give -1e-16 for equal sets.
        return max(self._gap + traces - 2 * self.spectrum.trace, 0.0)

    def without_one(self, weights: NDArray[np.float64] | None = None) -> NDArray[np.float64]:
        """Return the distance of the set without image i, for every i: [n], n >= 3.

        With ``weights`` [n] the features are residuals of a regression: their mean stays 0, and their scatter
        loses weights[i] c_i c_i' without image i.
        """
        n, squares = self.n, self.squares
        if weights is None:
            gaps = self._gap - 2 * self._shifts / (n - 1) + squares / (n - 1) ** 2
            lost = n / (n - 1) * squares
        else:
            gaps, lost = np.full(n, self._gap), weights * squares
        traces = (squares.sum() - lost) / (n - 2)
        return np.asarray(self.real_trace + gaps + traces - 2 * self.spectrum.without_one(weights))

    def without_two(self, partners: NDArray[np.intp]) -> NDArray[np.float64]:
        """Return the distance of the set without the images i and partners[i]: [n], n >= 4."""
        n, squares = self.n, self.squares
        lost = squares + squares[partners]
        together = lost + 2 * self._products(self.centred[beside(partners, self.centred)])
        shifts = self._shifts + self._shifts[partners]
        gaps = self._gap - 2 * shifts / (n - 2) + together / (n - 2) ** 2
        traces = (squares.sum() - lost - together / (n - 2)) / (n - 3)
        return np.asarray(self.real_trace + gaps + traces - 2 * self.spectrum.without_two(partners))

    def jackknife(self) -> Jackknife:
        """Leave out every image and n pairs of images; n >= 4."""
        n, without = self.n, self.without_one()
        others = partners(n)
        both = without + without[others]
        return Jackknife(
            per_image=(n - 1) * (without.mean() - without),
            per_pair=n * self.distance - (n - 1) * both + (n - 2) * self.without_two(others),
            limit=n * self.distance - (n - 1) * float(without.mean()),
        )

    @property
    def _gap(self) -> float:
        """Squared distance of the means."""
        return float(self.gap @ self.gap)

    @property
    def _shifts(self) -> NDArray[np.float64]:
        """Inner product of each centred image with the gap: [n]."""
        return to_numpy(self.centred @ self.gap)

    def _products(self, rows: Array) -> NDArray[np.float64]:
        """Inner product of each centred image with the same row of ``rows`` [n, d]: [n]."""
        return to_numpy(array_namespace(rows).einsum("ij,ij->i", self.centred, rows))
