"""The best of several values, pooled curves, and the number of images that settles a comparison."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from metrics import MetricsError
from metrics.best import Needed, chances_of_best, images_to_settle, pooled
from metrics.clip_score import clip_score_estimate
from metrics.compare import compare
from metrics.kernel import KernelReference, kernel_estimate
from metrics.uncertainty import Estimate, standard_error_of_mean, with_clusters


def mean_of(values: np.ndarray) -> Estimate:
    return Estimate(float(values.mean()), standard_error_of_mean(values), values.size, values)


def test_a_pooled_curve_is_the_mean_and_its_error_counts_what_cells_share() -> None:
    random = np.random.default_rng(3)
    shared = random.normal(size=200)
    cells = [shared + 0.1 * random.normal(size=200) + place for place in range(3)]
    curve = pooled([mean_of(cell) for cell in cells])
    assert curve.value == pytest.approx(np.mean(cells))
    assert curve.standard_error == pytest.approx(standard_error_of_mean(np.mean(cells, axis=0)))
    assert curve.standard_error == pytest.approx(1 / np.sqrt(200), rel=0.2)  # not a third of the variance


def test_the_curve_of_one_cell_is_the_cell() -> None:
    random = np.random.default_rng(3)
    rows, real = random.normal(size=(60, 4)), KernelReference.of(random.normal(size=(90, 4)))
    cell = kernel_estimate(generated=rows, real=real)
    assert pooled([cell]).standard_error == pytest.approx(cell.standard_error)
    few = kernel_estimate(generated=rows[:3], real=real)
    assert pooled([few, few]).standard_error is None
    assert "at least 4 are needed" in pooled([few]).note
    with pytest.raises(MetricsError, match="same number of images"):
        pooled([cell, few])


def test_what_is_clearly_behind_is_not_the_best() -> None:
    random = np.random.default_rng(5)
    shared = random.normal(size=100)
    values = {
        name: shared + 0.3 * random.normal(size=100) + gap
        for name, gap in zip("abc", (0, 0.01, 1), strict=True)
    }
    estimates = {name: mean_of(each) for name, each in values.items()}
    higher, lower = chances_of_best(estimates, "higher"), chances_of_best(estimates, "lower")
    assert higher["c"] > 0.9
    assert max(higher["a"], higher["b"]) < 0.001
    assert lower["c"] < 0.001
    assert min(lower["a"], lower["b"]) > 0.05
    assert chances_of_best({"a": estimates["a"]}, "higher") == {"a": 1.0}
    assert chances_of_best(dict.fromkeys("ab", estimates["a"]), "higher") == {"a": 1.0, "b": 1.0}


def test_two_values_have_the_one_sided_p_value_of_their_test() -> None:
    random = np.random.default_rng(6)
    a, b = mean_of(random.normal(size=50)), mean_of(random.normal(size=50) + 0.5)
    p = compare(a, b).p_value
    assert p is not None
    assert chances_of_best({"a": a, "b": b}, "higher")["a"] == pytest.approx(p / 2, abs=0.01)
    assert chances_of_best({"a": a, "b": b}, "higher")["b"] == pytest.approx(1 - p / 2, abs=0.01)


def test_the_true_best_of_many_equals_is_kept() -> None:
    """The family-wise error: with five equal values, one of them is called not the best 5% of the time."""
    random = np.random.default_rng(7)
    lost = 0
    for _ in range(100):
        values = random.normal(size=60) + 0.5 * random.standard_t(5, size=(5, 60))
        found = chances_of_best({str(place): mean_of(row) for place, row in enumerate(values)}, "higher")
        lost += found["0"] < 0.05
    assert 0 < lost <= 10  # 5% of 100, and two standard errors


def test_images_that_share_a_prompt_count_once() -> None:
    random = np.random.default_rng(8)
    rows, text = random.normal(size=(40, 3)), np.ones((40, 3))
    plain = {
        name: clip_score_estimate(generated=rows + gap, text=text) for name, gap in (("a", 0), ("b", 0.2))
    }

    shared = {name: with_clusters(each, [str(i // 10) for i in range(40)]) for name, each in plain.items()}
    assert chances_of_best(shared, "higher")["a"] != chances_of_best(plain, "higher")["a"]


def test_the_number_of_images_that_settles_a_comparison() -> None:
    random = np.random.default_rng(9)
    values = random.normal(size=400)
    test = compare(mean_of(values + 0.02), mean_of(random.normal(size=400)))
    one, six = images_to_settle(test, 400, 1), images_to_settle(test, 400, 6)
    assert one is not None
    assert six is not None
    # As a textbook has it: (1.96 + 0.84)^2 times the variance over the squared difference.
    assert one.measured == pytest.approx(
        2.8016**2 * (test.standard_error or 0) ** 2 * 400 / test.difference**2, rel=1e-3
    )
    assert six.measured > one.measured
    assert images_to_settle(compare(mean_of(values), mean_of(values)), 400, 1) == Needed(
        np.inf, np.inf, np.inf
    )


@pytest.mark.parametrize("n", [4, 32])
def test_the_range_of_images_needed_holds_four_times_out_of_five(n: int) -> None:
    random, gap, held = np.random.default_rng(n), 3 / np.sqrt(n), 0
    true = n * (2.8016 / 3) ** 2
    for _ in range(400):
        test = compare(mean_of(random.normal(gap, 1, n)), mean_of(np.zeros(n)))
        needed = images_to_settle(replace(test, degrees=n - 1), n, 1)
        assert needed is not None
        assert needed.low < needed.measured < needed.high
        held += needed.low <= true <= needed.high
    assert 0.75 < held / 400 < 0.87  # 80%, and two standard errors of 2 points beside the approximation
