"""Values of recipes: the parts of their error, intervals that hold for other checkpoints, and differences."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import t as student

from metrics import Estimate, MetricsError
from metrics.recipes import RecipeValue, recipe_difference, recipe_value
from metrics.uncertainty import standard_error_of_mean

RANDOM = np.random.default_rng(0)
SHARED = RANDOM.normal(size=50)


def estimates(*shifts: float, random: np.random.Generator = RANDOM, own: float = 0.5) -> list[Estimate]:
    rows = [shift + SHARED + own * random.normal(size=50) for shift in shifts]
    return [Estimate(float(row.mean()), standard_error_of_mean(row), 50, row) for row in rows]


def test_the_error_has_a_part_of_checkpoints_and_one_of_images() -> None:
    given = estimates(0.0, 1.0, 2.5)
    found = recipe_value(given)
    values = [each.value for each in given]
    mean = np.mean([each.per_image for each in given], axis=0)
    assert found.value == pytest.approx(np.mean(values))
    assert found.of_checkpoints == pytest.approx(np.std(values, ddof=1) / 3**0.5)
    assert found.of_images == pytest.approx(standard_error_of_mean(mean))
    assert found.standard_error == pytest.approx(np.hypot(found.of_checkpoints, found.of_images))
    reach = np.hypot(student.ppf(0.975, 2) * found.of_checkpoints, student.ppf(0.975, 49) * found.of_images)
    assert found.interval == pytest.approx((found.value - reach, found.value + reach))


def test_checkpoints_that_agree_leave_the_error_of_images() -> None:
    one = estimates(1.0)[0]
    found = recipe_value([one, one])
    assert (found.of_checkpoints, found.standard_error) == (0, pytest.approx(one.standard_error))
    reach = student.ppf(0.975, 49) * one.standard_error
    assert found.interval == pytest.approx((one.value - reach, one.value + reach))
    assert found.p_value == pytest.approx(2 * student.sf(abs(one.value) / one.standard_error, 49), rel=1e-6)


def test_the_p_value_is_the_level_whose_interval_ends_at_no_difference() -> None:
    found = recipe_difference(estimates(0, 0.3, 0.1), estimates(1, 1.4))
    assert found.p_value is not None
    reach = found._reach(found.p_value)
    assert reach == pytest.approx(abs(found.value), rel=1e-6)
    low, high = found.interval
    assert (found.p_value < 0.05) == (low > 0 or high < 0)
    assert [degrees for _, degrees in found.spreads] == [2, 1]


@pytest.mark.parametrize("checkpoints", [2, 4])
@pytest.mark.parametrize("spread", [0.0, 0.3, 1.0])
def test_intervals_hold_for_other_checkpoints(checkpoints: int, spread: float) -> None:
    random, covered, repeats = np.random.default_rng(checkpoints), 0, 300
    for _ in range(repeats):
        rows = spread * random.normal(size=(checkpoints, 1)) + random.normal(size=50)
        rows = rows + 0.7 * random.normal(size=(checkpoints, 50))
        given = [Estimate(float(row.mean()), standard_error_of_mean(row), 50, row) for row in rows]
        low, high = recipe_value(given).interval
        covered += low <= 0 <= high
    # The standard error of a coverage of 95% is 1.3 points.
    assert covered / repeats > 0.92


def test_what_cannot_be_told() -> None:
    without = [Estimate(value, None, 8, None, note="no standard error: few") for value in (1.0, 2.0)]
    found = recipe_value(without)
    assert (found.standard_error, found.interval, found.p_value) == (None, None, None)
    assert found.note == "no standard error: few"
    assert isinstance(found, RecipeValue)
    with pytest.raises(MetricsError, match="1 checkpoint: the spread between checkpoints needs at least 2"):
        recipe_value(estimates(1.0))
    with pytest.raises(MetricsError, match="over the same number of images"):
        recipe_difference(estimates(0, 1), [*without, *estimates(0)])
