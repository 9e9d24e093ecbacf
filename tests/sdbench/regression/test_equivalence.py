"""The paired tests: agreement with scipy, and conclusions."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from sdbench.regression.equivalence import equivalence


def test_the_interval_is_that_of_a_paired_t_test():
    random = np.random.default_rng(0)
    before = random.normal(size=40)
    after = before + random.normal(0.05, 0.2, size=40)
    interval = stats.ttest_rel(after, before).confidence_interval(0.90)
    found = equivalence("score", before, after)
    assert (found.low, found.high) == pytest.approx(tuple(interval), rel=1e-9)
    assert found.margin == pytest.approx(0.2 * before.std(ddof=1))


@pytest.mark.parametrize(("p_value", "apart"), [(0.9e-4, True), (1.1e-4, False)])
def test_an_alarm_is_a_paired_t_test_at_one_in_ten_thousand(p_value, apart):
    differences = np.random.default_rng(5).normal(size=32)
    differences -= differences.mean()
    error = differences.std(ddof=1) / np.sqrt(32)
    shifted = differences + stats.t.isf(p_value / 2, 31) * error
    assert stats.ttest_1samp(shifted, 0).pvalue == pytest.approx(p_value)
    assert equivalence("score", np.zeros(32), shifted).apart is apart


def test_small_shifts_are_equivalent_and_large_ones_apart():
    before = np.random.default_rng(1).normal(size=500)
    noise = np.random.default_rng(2).normal(scale=0.1, size=500)
    small, large = (equivalence("score", before, before + noise + shift) for shift in (0.05, 0.4))
    assert small.equivalent
    assert small.apart  # beyond doubt, but too small to matter
    assert not large.equivalent
    assert large.apart


def test_few_independent_images_decide_nothing():
    random = np.random.default_rng(3)
    found = equivalence("score", random.normal(size=10), random.normal(size=10))
    assert not found.equivalent
    assert not found.apart
    assert found.detectable > found.margin
