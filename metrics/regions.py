"""The plane of distance and CLIP score: confidence regions, and which cells dominate which."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from metrics.compare import compare
from metrics.errors import MetricsError
from metrics.uncertainty import Estimate, contributions, joint_covariance

__all__ = ["PlanePoint", "Region", "confidence_region", "curve_dominance", "dominance", "plane_covariance"]


@dataclass(frozen=True, eq=False)
class PlanePoint:
    """A cell of the plot: a distance (lower is better) and an agreement with the prompt (higher is better).

    Both come from the same images in the same order and have ``per_image``.
    """

    distance: Estimate
    agreement: Estimate

    @property
    def centre(self) -> NDArray[np.float64]:
        """The two values: [2]."""
        return np.array([self.distance.value, self.agreement.value])

    @property
    def per_image(self) -> NDArray[np.float64]:
        """Contribution of each image to both: [n, 2]. Raises MetricsError if an estimate has none."""
        for estimate in (self.distance, self.agreement):
            if estimate.per_image is None or estimate.standard_error is None:
                raise MetricsError(f"no region without values per image: {estimate.note or 'none were kept'}")
        distances, agreements = np.asarray(self.distance.per_image), np.asarray(self.agreement.per_image)
        if len(distances) != len(agreements):
            raise MetricsError(
                f"a distance of {len(distances)} images, an agreement of {len(agreements)}: use the same"
            )
        return np.column_stack([distances, agreements])


@dataclass(frozen=True, eq=False)
class Region:
    """An ellipse: the points p with (p - centre)' covariance^-1 (p - centre) <= radius^2."""

    centre: NDArray[np.float64]
    covariance: NDArray[np.float64]
    radius: float

    def outline(self, points: int = 100) -> NDArray[np.float64]:
        """Return points [points, 2] of the edge; the last equals the first."""
        angles = np.linspace(0, 2 * np.pi, points)
        circle = np.column_stack([np.cos(angles), np.sin(angles)])
        return np.asarray(self.centre + self.radius * circle @ np.linalg.cholesky(self.covariance).T)

    def contains(self, points: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Return which of the points [..., 2] lie inside."""
        gaps = points - self.centre
        return np.asarray((gaps * (gaps @ np.linalg.inv(self.covariance))).sum(-1) <= self.radius**2)


def confidence_region(point: PlanePoint, *, cells: int = 1) -> Region:
    """Return the 95% confidence region of a cell, or one of ``cells`` regions that hold jointly with 95%.

    The two values are taken as jointly normal. Each region has level 1 - 0.05 / cells (Bonferroni), and a
    squared distance in two normal dimensions exceeds r^2 with probability exp(-r^2 / 2).
    """
    errors = [point.distance.standard_error, point.agreement.standard_error]
    covariance = plane_covariance(point.per_image, errors, point.distance.clusters)
    return Region(point.centre, covariance, math.sqrt(-2 * math.log(0.05 / cells)))


def dominance(a: PlanePoint, b: PlanePoint) -> float:
    """Return the probability that cell a is truly better than b in both, given the measurements.

    The true differences are taken as normal about the measured ones, with the covariance of the paired
    differences of the images, under a flat prior. Both cells must hold the same prompts in the same order.
    Raises MetricsError if values per image are missing or differ in number.
    """
    images_a, images_b = _same_images([a, b])
    pairs = [compare(a.distance, b.distance), compare(a.agreement, b.agreement)]
    errors_of_pairs = [pair.standard_error for pair in pairs]
    covariance = plane_covariance(images_a - images_b, errors_of_pairs, a.distance.clusters)
    errors = np.sqrt(np.diag(covariance))
    # A lower distance and a higher agreement are better.
    gap = (a.centre - b.centre) * np.array([-1.0, 1.0])
    if not errors.all():
        return float(np.prod([_certain(g, e) for g, e in zip(gap, errors, strict=True)]))
    from scipy.stats import multivariate_normal

    h, correlation = gap / errors, -covariance[0, 1] / errors.prod()
    return float(multivariate_normal.cdf(h, cov=[[1, correlation], [correlation, 1]]))


def curve_dominance(a: Sequence[PlanePoint], b: Sequence[PlanePoint], *, seed: int) -> float:
    """Return the probability that every cell of b is behind the curve through the cells a.

    The curve joins the cells by straight lines in their order. A cell is behind it if some point of the curve
    is at least as good in both values. The probability comes from 10,000 joint normal draws of all cells, so
    its error is about 0.01; assumptions as in ``dominance``.
    """
    points = [*a, *b]
    images = np.hstack(_same_images(points))
    mean = np.concatenate([point.centre for point in points])
    joint = _joint(images, points[0].distance.clusters)
    draws = np.random.default_rng(seed).multivariate_normal(mean, joint, 10_000)
    planes = draws.reshape(-1, len(points), 2) * np.array([1.0, -1.0])
    return float(_behind(planes[:, : len(a)], planes[:, len(a) :]).all(axis=1).mean())


def _joint(images: NDArray[np.float64], clusters: NDArray[np.intp] | None) -> NDArray[np.float64]:
    """Return the covariance [k, k] of the means of images [n, k], dependent within clusters."""
    return joint_covariance(np.stack([contributions(column, clusters) for column in images.T]), len(images))


def plane_covariance(
    images: NDArray[np.float64], errors: Sequence[float | None], clusters: NDArray[np.intp] | None
) -> NDArray[np.float64]:
    """Return the covariance [2, 2] of two values from their images' contributions [n, 2] and their errors.

    The variances are the squared errors, which can be sharper than the contributions alone (metrics.frechet);
    the covariance is first order.
    """
    known = np.array(errors, dtype=np.float64)
    bound = 0.999 * known.prod()
    shared = np.clip(_joint(images, clusters)[0, 1], -bound, bound)
    return np.array([[known[0] ** 2, shared], [shared, known[1] ** 2]])


def _certain(gap: float, error: float) -> float:
    """Return the probability that a gap is truly above 0, also if its error is 0."""
    return NormalDist().cdf(gap / error) if error > 0 else float(gap > 0)


def _same_images(points: Sequence[PlanePoint]) -> list[NDArray[np.float64]]:
    images = [point.per_image for point in points]
    counts = sorted({len(part) for part in images})
    if len(counts) > 1:
        raise MetricsError(f"cells of {counts[0]} and {counts[-1]} images cannot be compared image by image")
    return images


def _behind(curves: NDArray[np.float64], points: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return which points [s, b, 2] have a point of the curve [s, a, 2] nowhere above them: [s, b].

    Along a segment start + t step, 0 <= t <= 1, each coordinate bounds t from below or from above.
    """
    last = max(curves.shape[1] - 1, 1)
    steps = np.roll(curves, -1, axis=1) - curves
    least, most = np.zeros(1), np.ones(1)
    for axis in (0, 1):  # one at a time: numpy is slow along an axis of two
        room = points[:, None, :, axis] - curves[:, :last, None, axis]
        step = steps[:, :last, None, axis]
        with np.errstate(divide="ignore", invalid="ignore"):
            reach = room / step
        standing = np.where(room >= 0, 0.0, np.inf)
        least = np.maximum(least, np.where(step < 0, reach, np.where(step > 0, 0.0, standing)))
        most = np.minimum(most, np.where(step > 0, reach, 1.0))
    return np.asarray((least <= most).any(axis=1))
