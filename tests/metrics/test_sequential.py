"""Intervals that hold at all looks together."""

from __future__ import annotations

import math

import numpy as np
import pytest

from metrics import MetricsError
from metrics.compare import Comparison
from metrics.sequential import FEWEST_TO_LOOK, INTENDED_N, always_valid_factor, settled_order, too_skewed


def pair(difference: float, error: float | None) -> Comparison:
    return Comparison("a", "b", difference, error, paired=True, p_value=None)


@pytest.mark.parametrize("miss", [0.05, 0.05 / 18])
@pytest.mark.parametrize("n", [128, 500, 10_000])
def test_the_edge_is_where_the_mixed_likelihood_ratio_reaches_one_over_miss(n: int, miss: float) -> None:
    """Robbins: the mean of the likelihood ratios over a normal prior, here summed up on a grid.

    Ville's inequality bounds the chance that it ever reaches 1 / miss by miss.
    """
    z = always_valid_factor(n, miss)
    doubled = -2 * math.log(miss)
    width = math.sqrt((doubled + math.log(1 + doubled)) / INTENDED_N)
    effects = np.linspace(-12 * width, 12 * width, 400_001)
    prior = np.exp(-((effects / width) ** 2) / 2) / (width * math.sqrt(2 * math.pi))
    ratios = np.exp(effects * z * math.sqrt(n) - n * effects**2 / 2)
    assert (prior * ratios).sum() * (effects[1] - effects[0]) == pytest.approx(1 / miss, rel=1e-6)


def test_it_is_narrowest_near_the_intended_n() -> None:
    sizes = range(FEWEST_TO_LOOK, 20_000, 50)
    least = min(sizes, key=lambda n: always_valid_factor(n, 0.05))
    assert 0.7 * INTENDED_N < least < 1.4 * INTENDED_N
    assert always_valid_factor(20 * INTENDED_N, 0.05) < 1.11 * always_valid_factor(INTENDED_N, 0.05)


def test_many_looks_keep_the_confidence_that_usual_intervals_lose() -> None:
    rng = np.random.default_rng(5)
    looks = np.arange(FEWEST_TO_LOOK, 2049, 16)
    scores = rng.normal(size=(1500, looks[-1]))
    mean = scores.cumsum(axis=1)[:, looks - 1] / looks
    squares = (scores**2).cumsum(axis=1)[:, looks - 1] / looks
    error = np.sqrt((squares - mean**2) / (looks - 1))
    factors = np.array([always_valid_factor(int(n), 0.05) for n in looks])
    missed = (np.abs(mean) > factors * error).any(axis=1).mean()
    assert 0.01 < missed < 0.045
    assert (np.abs(mean) > 1.96 * error).any(axis=1).mean() > 0.25


def test_nothing_is_settled_by_few_images() -> None:
    assert always_valid_factor(FEWEST_TO_LOOK - 1, 0.05) == math.inf
    assert settled_order(pair(5.0, 0.01), FEWEST_TO_LOOK - 1, 0.05) == 0
    assert settled_order(pair(5.0, 0.0), FEWEST_TO_LOOK - 1, 0.05) == 0
    assert settled_order(pair(5.0, 0.01), FEWEST_TO_LOOK, 0.05) == 1


def test_the_sign_is_that_of_a_minus_b_and_only_outside_the_interval() -> None:
    edge = always_valid_factor(300, 0.01)
    assert settled_order(pair(edge * 1.001, 1.0), 300, 0.01) == 1
    assert settled_order(pair(-edge * 1.001, 1.0), 300, 0.01) == -1
    assert settled_order(pair(edge * 0.999, 1.0), 300, 0.01) == 0
    assert settled_order(pair(100.0, None), 300, 0.01) == 0
    assert settled_order(pair(0.0, 0.0), 300, 0.01) == 0


@pytest.mark.parametrize("miss", [0.0, 1.0, -0.1, math.nan])
def test_a_chance_to_miss_that_is_none_is_refused(miss: float) -> None:
    with pytest.raises(MetricsError, match="chance of a miss"):
        always_valid_factor(500, miss)


@pytest.mark.parametrize(("n", "skewed"), [(1000, True), (1300, False)])
def test_rare_events_need_more_images_before_their_mean_is_normal(n: int, skewed: bool) -> None:
    """One in 50 has a skewness of 6.86, and 25 times its square is 1,176."""
    assert too_skewed(np.resize([1.0] + [0.0] * 49, n)) is skewed
    assert too_skewed(-np.resize([1.0] + [0.0] * 49, n)) is skewed


def test_symmetric_and_constant_values_are_not_skewed() -> None:
    assert not too_skewed(np.resize([-1.0, 1.0], 128))
    assert not too_skewed(np.ones(128))
