"""The best guidance scale of a curve, and its interval."""

from __future__ import annotations

import numpy as np
import pytest

from metrics import MetricsError
from metrics.best import combined
from metrics.best_scale import BestScale, best_scale
from metrics.compare import compare
from metrics.kernel import KernelReference, kernel_estimate
from metrics.uncertainty import Estimate, standard_error_of_mean, with_clusters

SCALES = (1.5, 2.0, 3.0, 4.0, 6.0, 8.0)


def drawn(seed: int, n: int, top: float, depth: float = 1.0) -> np.ndarray:
    """Return scores [scales, n] that are best at ``top`` on average; images differ in level and slope."""
    level, slope, bend = np.random.default_rng([seed, n]).standard_normal((3, n, 1))
    gone, place = np.log(np.array(SCALES) / top), np.log(np.array(SCALES) / 3)
    return (level + 0.5 * slope * place + 0.3 * bend * place**2 - depth * (np.exp(gone) - 1 - gone)).T


def found(rows: np.ndarray, better: str = "higher") -> BestScale:
    cells = [Estimate(float(row.mean()), standard_error_of_mean(row), row.size, row) for row in rows]
    best = best_scale(dict(zip(SCALES, cells, strict=True)), "lower" if better == "lower" else "higher")
    assert best is not None
    return best


def test_without_noise_the_best_scale_is_that_of_the_curve() -> None:
    gone = np.log(np.array(SCALES) / 3.4)
    best = found(np.tile(-(np.exp(gone) - 1 - gone)[:, None], 40))
    assert best.scale == pytest.approx(3.4, rel=0.02)
    assert best.low == pytest.approx(best.high, rel=0.02)


def test_the_interval_covers_the_best_scale_in_95_per_cent_of_sets() -> None:
    covered = sum(one.low <= 3.4 <= one.high for seed in range(60) if (one := found(drawn(seed, 60, 3.4))))
    assert 52 <= covered <= 59  # 95% of 60, and two standard errors


def test_more_images_make_the_interval_narrower_and_a_flat_curve_has_none() -> None:
    few, many = (found(drawn(1, n, 3.4)) for n in (40, 4000))
    assert few.low < many.low < 3.4 < many.high < few.high
    assert (many.high / many.low - 1) < 0.3 * (few.high / few.low - 1)
    flat = found(drawn(1, 40, 3.4, depth=0.0))
    assert (flat.low, flat.high) == (1.5, 8.0)


def test_scales_that_are_far_apart_tell_little_of_what_lies_between() -> None:
    scales, means = (1.0, 1.5, 2.0, 40.0, 70.0), (0.1957, 0.1967, 0.1977, 0.3467, 0.5583)
    noise = 1e-4 * np.random.default_rng(8).standard_normal((5, 50))
    cells = [
        Estimate(mean, standard_error_of_mean(row), 50, row) for mean, row in zip(means, noise, strict=True)
    ]
    best = best_scale(dict(zip(scales, cells, strict=True)), "lower")
    assert best is not None
    assert best.scale < 2  # a spline over the logarithm alone dips to 0.16 at 8.7
    assert best.value.value > 0.19
    assert best.low == 1
    assert 5 < best.high < 40


def test_a_best_scale_at_the_end_has_an_open_interval() -> None:
    best = found(drawn(2, 400, 30.0))
    assert best.scale == best.high == 8.0
    assert best.low > 4
    assert found(-drawn(2, 400, 30.0), "lower").low == best.low  # the direction of improvement counts


def test_noise_that_scales_share_widens_nothing() -> None:
    rows = drawn(3, 200, 3.4)
    louder = rows + 20 * np.random.default_rng(4).standard_normal(200)
    assert found(louder).high == pytest.approx(found(rows).high, rel=0.02)


def test_images_of_one_prompt_count_once() -> None:
    rows = drawn(5, 50, 3.4)
    prompts = [f"p{place}" for place in range(50)] * 4
    twins = [
        with_clusters(Estimate(float(row.mean()), standard_error_of_mean(row), 200, row), prompts)
        for row in np.tile(rows, 4)
    ]
    repeated = best_scale(dict(zip(SCALES, twins, strict=True)), "higher")
    once = found(rows)
    assert repeated is not None
    assert (repeated.low, repeated.high) == pytest.approx((once.low, once.high), rel=0.02)


def test_the_value_there_is_compared_image_by_image() -> None:
    a, b = found(drawn(6, 200, 3.4)), found(drawn(6, 200, 5.0) + 0.5)
    test = compare(b.value, a.value)
    assert test.difference == pytest.approx(0.5, abs=0.05)
    assert (test.standard_error or 1) < 0.25 * (a.value.standard_error or 0)


def test_a_distance_is_at_its_best_where_its_features_fit() -> None:
    half = np.random.default_rng(7).normal(size=(200, 4))
    real = KernelReference.of(np.vstack([half, -half]))  # the mean is 0
    covered = 0
    for seed in range(20):
        rows = np.random.default_rng([7, seed]).normal(size=(100, 4))
        cells = {scale: kernel_estimate(generated=rows + np.log(scale / 3), real=real) for scale in SCALES}
        best = best_scale(cells, "lower")
        assert best is not None
        assert best.high / best.low < 2
        covered += best.low <= 3 <= best.high
        assert best.value.value <= min(cell.value for cell in cells.values()) + 1e-3
    assert 17 <= covered <= 20  # 95% of 20, and two standard errors


def test_what_cannot_be_known_is_refused_or_none() -> None:
    cells = [Estimate(1.0, None, 5, None, "too few")] * 4
    assert best_scale(dict(zip((1.0, 2.0, 3.0, 4.0), cells, strict=True)), "lower") is None
    with pytest.raises(MetricsError, match="3 guidance scales, at least 4"):
        best_scale(dict(zip((1.0, 2.0, 3.0), cells, strict=False)), "lower")
    with pytest.raises(MetricsError, match="same number of images"):
        best_scale({**dict.fromkeys((1.0, 2.0, 3.0), cells[0]), 4.0: Estimate(1.0, None, 6, None)}, "lower")
    assert combined(cells, np.ones(4) / 4).note == "too few"
