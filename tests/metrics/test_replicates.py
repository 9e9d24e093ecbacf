"""Prompts and noise are told apart, and errors that follow from them are those of a simulation."""

from __future__ import annotations

import numpy as np
import pytest

from metrics import MetricsError
from metrics.replicates import variance_components
from metrics.uncertainty import clustered_standard_error

PROMPTS, IMAGES = 40, 3
OF_PROMPTS, OF_NOISE = 4.0, 1.0


def draws(count: int, seed: int = 1, images: int = IMAGES, prompts: int = PROMPTS) -> np.ndarray:
    """Values [count, prompts * images], prompt by prompt."""
    random = np.random.default_rng(seed)
    of_prompts = random.normal(0, OF_PROMPTS**0.5, (count, prompts, 1))
    noise = random.normal(0, OF_NOISE**0.5, (count, prompts, images))
    return (of_prompts + noise).reshape(count, -1)


def test_the_variances_are_unbiased() -> None:
    labels = np.repeat(np.arange(PROMPTS), IMAGES)
    kept = np.ones(labels.size, bool)
    kept[1::5] = False  # some prompts lose an image
    for chosen in (np.ones(labels.size, bool), kept):
        found = [variance_components(row[chosen], labels[chosen]) for row in draws(800)]
        assert np.mean([parts.of_prompts for parts in found]) == pytest.approx(OF_PROMPTS, rel=0.04)
        assert np.mean([parts.of_noise for parts in found]) == pytest.approx(OF_NOISE, rel=0.04)


def test_the_errors_are_those_of_other_runs() -> None:
    labels = np.repeat(np.arange(PROMPTS), IMAGES)
    parts = variance_components(draws(1, seed=8)[0], labels)
    assert parts.standard_error() == pytest.approx(
        clustered_standard_error(draws(1, seed=8)[0], labels), rel=0.01
    )
    whole = variance_components(draws(1, seed=3, prompts=20000)[0], np.repeat(np.arange(20000), IMAGES))
    assert whole.share_of_prompts == pytest.approx(0.8, abs=0.01)
    true = {
        "now": draws(20000).mean(axis=1).std(),
        "images": draws(20000, images=2 * IMAGES).mean(axis=1).std(),
        "prompts": draws(20000, prompts=2 * PROMPTS).mean(axis=1).std(),
    }
    scale = 20000 / PROMPTS
    assert whole.standard_error() * scale**0.5 == pytest.approx(true["now"], rel=0.03)
    assert whole.standard_error(images=2) * scale**0.5 == pytest.approx(true["images"], rel=0.03)
    assert whole.standard_error(prompts=2) * scale**0.5 == pytest.approx(true["prompts"], rel=0.03)
    same = (OF_NOISE / PROMPTS / IMAGES) ** 0.5
    assert whole.standard_error(same_prompts=True) * scale**0.5 == pytest.approx(same, rel=0.03)


def test_what_cannot_be_told_apart() -> None:
    for labels in (["a"] * 4, ["a", "b", "c", "d"]):
        with pytest.raises(MetricsError, match="prompts and noise are told apart by two images of a prompt"):
            variance_components(np.arange(4.0), labels)
    equal = variance_components(np.ones(4), ["a", "a", "b", "b"])
    assert (equal.of_prompts, equal.of_noise, equal.share_of_prompts) == (0, 0, None)
    noise = variance_components([1.0, -1.0, -1.0, 1.0], ["a", "a", "b", "b"])
    assert (noise.of_prompts, noise.share_of_prompts) == (0, 0)
