"""Comparisons: paired and unpaired errors, p-values, Holm's correction, equivalence."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from metrics import Estimate, MetricsError
from metrics.compare import compare, holm, pairwise
from metrics.uncertainty import with_clusters


def mean_of(values: np.ndarray) -> Estimate:
    """Return the plain mean as a figure: its error and tests are known from elsewhere."""
    error = float(values.std(ddof=1) / math.sqrt(values.size))
    return Estimate(float(values.mean()), error, values.size, values)


def cells(n: int = 400) -> tuple[Estimate, Estimate]:
    rng = np.random.default_rng(0)
    shared = rng.normal(size=n)
    return mean_of(shared + 0.1 * rng.normal(size=n)), mean_of(shared + 0.1 * rng.normal(size=n) - 0.01)


def test_the_paired_test_is_the_paired_t_test() -> None:
    a, b = cells()
    comparison = compare(a, b)
    expected = stats.ttest_rel(a.per_image, b.per_image)
    interval = expected.confidence_interval(0.95)
    assert comparison.paired
    assert comparison.note == ""
    assert comparison.difference == pytest.approx(a.value - b.value)
    assert comparison.p_value == pytest.approx(expected.pvalue, abs=0.005)
    # Student's quantile for 400 images is 0.3% above the normal one.
    width = interval.high - interval.low
    assert comparison.low == pytest.approx(interval.low, abs=0.003 * width)
    assert comparison.high == pytest.approx(interval.high, abs=0.003 * width)


def test_swapped_cells_swap_the_sign_alone() -> None:
    a, b = cells()
    there, back = compare(a, b), compare(b, a)
    assert back.difference == -there.difference
    assert back.low == pytest.approx(-there.high)  # type: ignore[operator]
    assert back.p_value == there.p_value


def test_without_figures_per_image_the_comparison_is_unpaired_and_says_so() -> None:
    a, b = cells()
    stripped = Estimate(b.value, b.standard_error, b.n, None)
    comparison = compare(a, stripped)
    assert not comparison.paired
    assert comparison.standard_error == pytest.approx(math.hypot(a.standard_error, b.standard_error))
    assert "unpaired" in comparison.note
    assert "no values per image" in comparison.note
    other = compare(a, cells(300)[1])
    assert not other.paired
    assert "400 and 300 images" in other.note


def test_a_figure_without_error_has_a_difference_and_a_reason() -> None:
    a, _ = cells()
    comparison = compare(a, Estimate(1.0, None, 400, None, note="no standard error: too few"))
    assert comparison.difference == pytest.approx(a.value - 1)
    assert comparison.standard_error is comparison.low is comparison.p_value is None
    assert comparison.minimum_detectable_effect() is comparison.equivalence_p(1.0) is None
    assert comparison.note == "no standard error: too few"


def test_a_cell_does_not_differ_from_itself() -> None:
    a, b = cells()
    assert compare(a, a).p_value == 1
    shifted = Estimate(a.value + 1, a.standard_error, a.n, a.per_image)
    assert compare(shifted, a).p_value == 0
    assert compare(a, b).equivalence_p(0.5) == pytest.approx(0, abs=1e-9)


def test_holm_is_the_textbook_procedure() -> None:
    np.testing.assert_allclose(holm([0.01, 0.04, 0.03, 0.005]), [0.03, 0.06, 0.06, 0.02])
    np.testing.assert_allclose(holm([0.6, 0.5, 0.9]), [1, 1, 1])
    assert holm([]).size == 0


def test_all_pairs_are_corrected_together() -> None:
    rng = np.random.default_rng(1)
    figures = {name: mean_of(rng.normal(shift, 1, 200)) for name, shift in zip("abc", (0, 0, 1), strict=True)}
    figures["d"] = Estimate(0.0, None, 200, None, note="no standard error: why")
    pairs = pairwise(figures)
    assert [(pair.a, pair.b) for pair in pairs] == [
        ("a", "b"), ("a", "c"), ("a", "d"), ("b", "c"), ("b", "d"), ("c", "d")
    ]  # fmt: skip
    tested = [pair for pair in pairs if pair.p_value is not None]
    assert len(tested) == 3
    np.testing.assert_allclose(
        [pair.adjusted_p for pair in tested], holm([float(pair.p_value or 0) for pair in tested])
    )
    assert all(pair.adjusted_p is None for pair in pairs if "d" in (pair.a, pair.b))


def test_the_detectable_effect_is_found_as_often_as_its_power_says() -> None:
    rng, n = np.random.default_rng(2), 100
    plan = compare(mean_of(rng.normal(size=20_000)), mean_of(np.zeros(20_000)))
    effect = plan.minimum_detectable_effect(0.8)
    assert effect is not None
    effect *= math.sqrt(20_000 / n)
    found = [
        compare(mean_of(rng.normal(effect, 1, n)), mean_of(np.zeros(n))).p_value < 0.05  # type: ignore[operator]
        for _ in range(800)
    ]
    assert np.mean(found) == pytest.approx(0.8, abs=0.05)


def test_equivalence_needs_a_margin_and_room_in_it() -> None:
    a, b = cells()
    comparison = compare(a, b)
    assert comparison.standard_error is not None
    # At a margin of the difference itself the question is open.
    assert comparison.equivalence_p(abs(comparison.difference)) == pytest.approx(0.5)
    # The farther end of the interval: one of the two tests fails by 2.5%.
    farther = max(abs(comparison.low), abs(comparison.high))  # type: ignore[arg-type]
    assert comparison.equivalence_p(farther) == pytest.approx(0.025, rel=1e-9)
    with pytest.raises(MetricsError, match="must be above 0, got 0"):
        comparison.equivalence_p(0)


def test_images_of_one_prompt_are_compared_prompt_by_prompt() -> None:
    """Two images a prompt, whose differences are the same: half as many are known as there are images."""
    shared, apart = np.random.default_rng(0).normal(size=(2, 100))
    prompts = [str(row // 2) for row in range(200)]
    a, b = mean_of(np.repeat(shared + apart, 2)), mean_of(np.repeat(shared, 2))
    alone = compare(mean_of(shared + apart), mean_of(shared))
    together = compare(with_clusters(a, prompts), with_clusters(b, prompts))
    assert together.standard_error == pytest.approx(alone.standard_error, rel=1e-9)
    assert compare(a, b).standard_error < 0.75 * together.standard_error


def test_a_few_images_that_differ_most_make_the_interval_wider() -> None:
    rng = np.random.default_rng(0)
    even, few = rng.uniform(-1, 1, 200), np.where(np.arange(200) < 4, 30.0, 1.0) * rng.normal(size=200)
    nothing = mean_of(np.zeros(200))
    comparison = compare(mean_of(few), nothing)
    assert comparison.degrees == pytest.approx(2 * 200 / (stats.kurtosis(few, fisher=False) - 1))
    assert comparison.degrees < 20
    width = stats.t(comparison.degrees).ppf(0.975) * comparison.standard_error
    assert comparison.high == pytest.approx(comparison.difference + width)
    assert compare(mean_of(even), nothing).degrees == 199
    assert compare(nothing, nothing).p_value == 1


def test_prompts_and_not_images_count_as_degrees_of_freedom() -> None:
    apart = np.random.default_rng(0).uniform(-1, 1, 4)
    prompts = [str(row // 50) for row in range(200)]
    a, b = mean_of(np.repeat(apart, 50)), mean_of(np.zeros(200))
    assert compare(with_clusters(a, prompts), with_clusters(b, prompts)).degrees <= 3
