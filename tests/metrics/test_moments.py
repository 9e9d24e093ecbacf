"""Moments: against numpy, and exact merging."""

from __future__ import annotations

import numpy as np
import pytest

from metrics import MetricsError, Moments, merge


def test_moments_are_numpys_in_float64() -> None:
    features = np.random.default_rng(0).normal(size=(50, 6)).astype(np.float32)
    moments = Moments.of(features)
    assert moments.n == 50
    assert moments.dim == 6
    assert moments.mean.dtype == moments.covariance.dtype == np.float64
    np.testing.assert_allclose(moments.mean, features.astype(np.float64).mean(axis=0), rtol=1e-13)
    np.testing.assert_allclose(
        moments.covariance, np.cov(features.astype(np.float64), rowvar=False), rtol=1e-12
    )


@pytest.mark.parametrize("offset", [0.0, 1e6])
def test_merging_parts_gives_the_moments_of_the_whole(offset: float) -> None:
    features = np.random.default_rng(1).gamma(2.0, size=(97, 5)) + offset
    whole = Moments.of(features)
    parts = [Moments.of(part) for part in (features[:2], features[2:60], features[60:])]
    for merged in (merge(merge(*parts[:2]), parts[2]), merge(parts[2], merge(parts[1], parts[0]))):
        assert merged.n == 97
        np.testing.assert_allclose(merged.mean, whole.mean, rtol=1e-12)
        np.testing.assert_allclose(merged.covariance, whole.covariance, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("seed", range(5))
def test_shards_of_any_size_in_any_order_merge_to_the_whole(seed: int) -> None:
    rng = np.random.default_rng(seed)
    features = (rng.gamma(2.0, size=(600, 12)) * np.logspace(0, 2, 12) + 30).astype(np.float32)
    whole = Moments.of(features)
    cuts = np.sort(rng.choice(np.arange(1, 300), 40, replace=False)) * 2
    shards = [Moments.of(shard) for shard in np.split(features, cuts)]
    while len(shards) > 1:  # a random tree: neither order nor grouping is kept
        first, second = (shards.pop(rng.integers(len(shards))) for _ in range(2))
        shards.append(merge(first, second))
    assert shards[0].n == 600
    np.testing.assert_allclose(shards[0].mean, whole.mean, rtol=1e-13)
    scale = np.sqrt(np.outer(np.diag(whole.covariance), np.diag(whole.covariance)))
    assert (np.abs(shards[0].covariance - whole.covariance) / scale).max() < 1e-13


@pytest.mark.parametrize(
    ("features", "words"),
    [
        (np.zeros((1, 4)), "1 images, at least 2 needed"),
        (np.zeros(4), r"shape \[images, dimensions\], got \[4\]"),
        (np.zeros((3, 0)), "no dimensions"),
        (
            np.array([[1.0, 2.0], [np.nan, 1.0], [1.0, np.inf]]),
            "2 of 3 rows hold NaN or infinity, first row 1",
        ),
    ],
)
def test_unusable_features_are_refused_in_one_line(features: np.ndarray, words: str) -> None:
    with pytest.raises(MetricsError, match=words) as caught:
        Moments.of(features)
    assert "\n" not in str(caught.value)


def test_merging_different_extractors_is_refused() -> None:
    with pytest.raises(MetricsError, match="2 dimensions, generated ones 3"):
        merge(Moments.of(np.eye(4, 2)), Moments.of(np.eye(4, 3)))
