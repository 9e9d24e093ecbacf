"""The plane of distance and CLIP score: ellipses, dominance of cells and of curves."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from metrics import Estimate, MetricsError
from metrics.regions import (
    PlanePoint,
    confidence_region,
    curve_dominance,
    dominance,
)


def mean_of(values: np.ndarray) -> Estimate:
    return Estimate(
        float(values.mean()), float(values.std(ddof=1)) / math.sqrt(len(values)), len(values), values
    )


def point(
    seed: int, n: int = 200, centre: tuple[float, float] = (0.0, 0.0), slope: float = 0.6
) -> PlanePoint:
    """Return a cell whose figures are means of correlated normals about ``centre``."""
    x, y = np.random.default_rng(seed).normal(size=(2, n))
    return PlanePoint(mean_of(centre[0] + x), mean_of(centre[1] + slope * x + 0.8 * y))


def test_the_region_holds_the_truth_as_often_as_it_says() -> None:
    regions = [confidence_region(point(seed)) for seed in range(600)]
    assert np.mean([region.contains(np.zeros(2)) for region in regions]) == pytest.approx(0.95, abs=0.025)


def test_regions_of_many_cells_hold_together() -> None:
    together = [
        all(confidence_region(point(8 * sweep + cell), cells=8).contains(np.zeros(2)) for cell in range(8))
        for sweep in range(300)
    ]
    assert 0.92 <= np.mean(together) <= 0.99


def test_the_outline_is_the_edge_and_leans_with_the_correlation() -> None:
    region = confidence_region(point(0, centre=(3.0, 0.3)))
    edge = region.outline()
    inner, outer = (region.centre + scale * (edge - region.centre) for scale in (0.999, 1.001))
    np.testing.assert_allclose(edge[0], edge[-1])
    assert region.contains(inner).all()
    assert not region.contains(outer).any()
    assert np.corrcoef(edge.T)[0, 1] == pytest.approx(0.6, abs=0.1)


def test_the_sharper_error_of_a_figure_is_the_regions() -> None:
    plain = point(0)
    sharper = Estimate(
        plain.distance.value, 0.5 * plain.distance.standard_error, 200, plain.distance.per_image
    )  # type: ignore[operator]
    narrow = confidence_region(PlanePoint(sharper, plain.agreement))
    assert narrow.covariance[0, 0] == pytest.approx(confidence_region(plain).covariance[0, 0] / 4)
    assert np.linalg.eigvalsh(narrow.covariance)[0] > 0


def test_a_cell_dominates_with_the_probability_that_draws_give() -> None:
    a, b = point(0, centre=(-0.1, 0.05)), point(1)
    differences = a.per_image - b.per_image
    draws = np.random.default_rng(0).multivariate_normal(
        a.centre - b.centre, np.cov(differences.T) / 200, 100_000
    )
    expected = np.mean((draws[:, 0] < 0) & (draws[:, 1] > 0))
    assert dominance(a, b) == pytest.approx(expected, abs=0.006)
    assert dominance(a, b) + dominance(b, a) < 1


def test_lower_distance_and_higher_agreement_dominate() -> None:
    better, worse = point(0, centre=(-5.0, 5.0)), point(1)
    assert dominance(better, worse) == pytest.approx(1)
    assert dominance(worse, better) == pytest.approx(0)
    assert dominance(point(0, centre=(-5.0, -5.0)), worse) == pytest.approx(0)
    assert dominance(worse, worse) == 0


def test_a_curve_of_one_cell_each_is_the_dominance_of_cells() -> None:
    a, b = point(0, centre=(-0.1, 0.05)), point(1)
    assert curve_dominance([a], [b], seed=0) == pytest.approx(dominance(a, b), abs=0.015)


def test_a_curve_leaves_behind_what_lies_off_its_cells_but_behind_its_lines() -> None:
    curve = [point(0, centre=(0.0, 0.0)), point(1, centre=(10.0, 10.0))]
    behind = point(2, centre=(7.0, 3.0))
    beyond = point(3, centre=(3.0, 7.0))
    assert dominance(curve[0], behind) < 1e-6
    assert curve_dominance(curve, [behind], seed=0) == pytest.approx(1)
    assert curve_dominance(curve, [behind, beyond], seed=0) == pytest.approx(0)
    assert curve_dominance([behind], curve, seed=0) == pytest.approx(0)


def test_figures_that_cannot_be_joined_are_refused_in_one_line() -> None:
    bare = Estimate(1.0, None, 200, None, note="no standard error: too few")
    with pytest.raises(MetricsError, match="no region without values per image: no standard error: too few"):
        confidence_region(PlanePoint(bare, point(0).agreement))
    with pytest.raises(MetricsError, match="a distance of 200 images, an agreement of 100"):
        confidence_region(PlanePoint(point(0).distance, point(0, n=100).agreement))
    with pytest.raises(MetricsError, match="cells of 100 and 200 images"):
        dominance(point(0), point(1, n=100))


def test_images_of_one_prompt_are_not_taken_for_independent() -> None:
    """Of two equal curves over 8 prompts of 50 images, neither is nearly always surely ahead."""
    clusters = np.repeat(np.arange(8), 50)

    def cell(rng: np.random.Generator) -> PlanePoint:
        x, y = rng.normal(size=(2, 8))[:, clusters] + 0.1 * rng.normal(size=(2, 400))
        return PlanePoint(*(replace(mean_of(values), clusters=clusters) for values in (x, y)))

    draws = [np.random.default_rng(seed) for seed in range(60)]
    sure = [curve_dominance([cell(rng)], [cell(rng)], seed=0) > 0.95 for rng in draws]
    assert np.mean(sure) < 0.1
