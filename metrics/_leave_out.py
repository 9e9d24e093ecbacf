"""The Frechet distance of a set of images without one of them, or without two, for all of them at once."""

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
    """What leaving images out tells of a distance: errors (metrics.uncertainty.jackknife_error) and limit.

    ``limit`` is the distance as 1/n goes to 0, by the straight line through n and n - 1.
    """

    per_image: NDArray[np.float64]
    per_pair: NDArray[np.float64]
    limit: float

    def estimate(self, value: float) -> Estimate:
        """Return a value of this set with the distance's error."""
        error = jackknife_error(self.per_image, self.per_pair)
        return Estimate(value, error, self.per_image.size, self.per_image, per_pair=self.per_pair)


@dataclass(frozen=True, eq=False)
class LeaveOut:
    """Generated features beside a real mean, covariance trace and factor, ready to lose images.

    ``distance`` is that of the whole set. One eigendecomposition serves all methods, which compute where the
    factor lies.
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
        """Decompose features [n, d], n >= 2."""
        placed = beside(features, factor)
        centre = placed.mean(axis=0)
        centred = placed - centre
        gap = centre - beside(mean, factor)
        return cls(len(features), trace, gap, centred, Spectrum.of(centred, factor))

    @property
    def squares(self) -> NDArray[np.float64]:
        """|c_i|^2: [n]."""
        return self._products(self.centred)

    @property
    def distance(self) -> float:
        """The distance of the whole set."""
        traces = self.real_trace + float(self.squares.sum()) / (self.n - 1)
        # Rounding can leave -1e-16 for equal sets.
        return max(self._gap + traces - 2 * self.spectrum.trace, 0.0)

    def without_one(self) -> NDArray[np.float64]:
        """Return the distance of the set without image i, for every i: [n], n >= 3."""
        n, squares = self.n, self.squares
        gaps = self._gap - 2 * self._shifts / (n - 1) + squares / (n - 1) ** 2
        traces = (squares.sum() - n / (n - 1) * squares) / (n - 2)
        return np.asarray(self.real_trace + gaps + traces - 2 * self.spectrum.without_one())

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
        """Leave out every image, and n pairs of images; n >= 4."""
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
        """The squared distance of the means."""
        return float(self.gap @ self.gap)

    @property
    def _shifts(self) -> NDArray[np.float64]:
        """How far each image lies along the gap: [n]."""
        return to_numpy(self.centred @ self.gap)

    def _products(self, rows: Array) -> NDArray[np.float64]:
        """Inner products of the images with the rows [n, d], each with its own: [n]."""
        return to_numpy(array_namespace(rows).einsum("ij,ij->i", self.centred, rows))
