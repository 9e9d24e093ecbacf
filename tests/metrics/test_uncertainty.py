"""Standard errors of means: independent images, and images that share a prompt."""

from __future__ import annotations

import numpy as np
import pytest

from metrics import Estimate, MetricsError
from metrics.uncertainty import (
    clustered_standard_error,
    jackknife_error,
    standard_error_of_mean,
    with_clusters,
)


def test_clusters_of_one_are_independent_images() -> None:
    values = np.random.default_rng(0).normal(size=30)
    assert clustered_standard_error(values, np.arange(30)) == pytest.approx(standard_error_of_mean(values))


def test_equal_clusters_are_the_error_of_their_means() -> None:
    values = np.random.default_rng(1).normal(size=(20, 4))
    prompts = np.repeat([f"prompt {i}" for i in range(20)], 4)
    expected = standard_error_of_mean(values.mean(axis=1))
    assert clustered_standard_error(values.ravel(), prompts) == pytest.approx(expected)
    shuffled = np.random.default_rng(2).permutation(80)
    assert clustered_standard_error(values.ravel()[shuffled], prompts[shuffled]) == pytest.approx(expected)


def test_unequal_clusters_match_repeated_draws() -> None:
    sizes = np.arange(60) % 5 + 1
    prompts = np.repeat(np.arange(60), sizes)
    means, errors = [], []
    for seed in range(300):
        rng = np.random.default_rng(seed)
        values = np.repeat(rng.normal(size=60), sizes) + 0.3 * rng.normal(size=sizes.sum())
        means.append(values.mean())
        errors.append(clustered_standard_error(values, prompts))
    assert np.mean(errors) == pytest.approx(np.std(means, ddof=1), rel=0.12)


def test_unusable_clusters_are_refused_in_one_line() -> None:
    with pytest.raises(MetricsError, match=r"values \[3\] and clusters \[2\]"):
        clustered_standard_error([1, 2, 3], [0, 1])
    with pytest.raises(MetricsError, match="1 cluster of images: a standard error needs at least 2"):
        clustered_standard_error([1, 2, 3], ["a", "a", "a"])


def test_pairs_within_a_prompt_say_nothing_of_pairs() -> None:
    """In a list of prompts three times over the partner of every image has its prompt."""
    rng = np.random.default_rng(3)
    values, pairs, cycled = rng.normal(size=30), rng.normal(size=30), np.arange(30) % 10
    alone = clustered_standard_error(values, cycled)
    assert jackknife_error(values, pairs, cycled) == pytest.approx(alone)


def test_one_prompt_has_figures_per_image_and_no_error() -> None:
    values = np.random.default_rng(4).normal(size=10)
    estimate = with_clusters(Estimate(float(values.mean()), 0.1, 10, values), ["a cat"] * 10)
    assert estimate.standard_error is None
    assert estimate.per_image is values
    assert "1 prompt" in estimate.note
