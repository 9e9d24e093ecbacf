"""The paired tests against scipy, and what they conclude."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from sdbench.regression.equivalence import equivalence, t_quantile


@pytest.mark.parametrize("freedom", [31, 511])
@pytest.mark.parametrize("probability", [0.95, 0.99995])
def test_t_quantile(freedom, probability):
    assert t_quantile(probability, freedom) == pytest.approx(stats.t.ppf(probability, freedom), rel=2e-3)


def test_interval_is_that_of_a_paired_t_test():
    random = np.random.default_rng(0)
    before = random.normal(size=40)
    after = before + random.normal(0.05, 0.2, size=40)
    interval = stats.ttest_rel(after, before).confidence_interval(0.90)
    found = equivalence("score", before, after)
    assert (found.low, found.high) == pytest.approx(tuple(interval), rel=1e-4)
    assert found.margin == pytest.approx(0.2 * before.std(ddof=1))


def test_small_shifts_are_equivalent_and_large_ones_apart():
    before = np.random.default_rng(1).normal(size=500)
    noise = np.random.default_rng(2).normal(scale=0.1, size=500)
    small, large = (equivalence("score", before, before + noise + shift) for shift in (0.05, 0.4))
    assert small.equivalent
    assert small.apart  # a difference that is there beyond doubt, and too small to matter
    assert not large.equivalent
    assert large.apart


def test_few_independent_images_decide_nothing():
    random = np.random.default_rng(3)
    found = equivalence("score", random.normal(size=10), random.normal(size=10))
    assert not found.equivalent
    assert not found.apart
    assert found.detectable > found.margin
