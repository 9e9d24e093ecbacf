"""The mean over some images: its error, and intervals that hold together."""

from __future__ import annotations

import numpy as np
import pytest

from metrics import Estimate, MetricsError
from metrics.subsets import mean_over, simultaneous_interval
from metrics.uncertainty import standard_error_of_mean, with_clusters


def estimate(values: np.ndarray) -> Estimate:
    return Estimate(float(values.mean()), standard_error_of_mean(values), values.size, values)


def test_a_part_is_measured_as_if_it_were_alone() -> None:
    values = np.random.default_rng(1).normal(size=40)
    chosen = np.arange(40) % 3 == 0
    part, alone = mean_over(estimate(values), chosen), estimate(values[chosen])
    assert (part.value, part.n) == (alone.value, alone.n)
    assert part.standard_error == pytest.approx(alone.standard_error)
    prompts = [f"prompt {place // 6}" for place in range(40)]
    clustered = mean_over(with_clusters(estimate(values), prompts), chosen)
    again = with_clusters(alone, [prompt for prompt, kept in zip(prompts, chosen, strict=True) if kept])
    assert clustered.standard_error == pytest.approx(again.standard_error)
    assert clustered.standard_error != pytest.approx(part.standard_error)


def test_parts_without_an_error() -> None:
    values = np.arange(6.0)
    whole = with_clusters(estimate(values), ["a", "a", "a", "b", "b", "c"])
    alone = mean_over(whole, values < 3)
    assert (alone.value, alone.standard_error) == (1.0, None)
    assert alone.note == "no standard error: 1 prompt, at least 2 are needed"
    assert simultaneous_interval(alone, 3) is None
    with pytest.raises(MetricsError, match="cannot take 0 of 6 images"):
        mean_over(whole, values > 9)


def test_intervals_hold_together() -> None:
    random, covered = np.random.default_rng(2), 0
    for _ in range(400):
        values, groups = random.normal(size=60), np.arange(60) % 6
        parts = [mean_over(estimate(values), groups == group) for group in range(6)]
        intervals = [simultaneous_interval(part, 6) for part in parts]
        covered += all(pair is not None and pair[0] <= 0 <= pair[1] for pair in intervals)
    assert 0.93 <= covered / 400 <= 0.985
