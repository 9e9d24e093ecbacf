"""The distance at infinite n: against the truth, and against a line through random subsets."""

from __future__ import annotations

import numpy as np
import pytest

from metrics import Moments, frechet_distance, frechet_estimate
from metrics.infinity import frechet_infinity

MIXING = np.eye(10) + 0.3 * np.random.default_rng(0).normal(size=(10, 10))


def draw(seed: int, n: int) -> np.ndarray:
    """Return features of a distribution with known moments: mean 0.2, covariance 2 MIXING' MIXING."""
    return (np.random.default_rng(seed).gamma(2.0, size=(n, 10)) - 2) @ MIXING + 0.2


REAL = Moments(1000, np.zeros(10), 1.7 * np.eye(10))
TRUTH = frechet_distance(real=REAL, generated=Moments(1000, np.full(10, 0.2), 2 * MIXING.T @ MIXING))


def test_the_bias_goes_and_the_error_stays_true() -> None:
    sets = [draw(seed, 100) for seed in range(150)]
    limits = [frechet_infinity(real=REAL, generated=features) for features in sets]
    values = np.array([limit.value for limit in limits])
    biased = np.mean([frechet_distance(real=REAL, generated=Moments.of(features)) for features in sets])
    assert abs(values.mean() - TRUTH) < 0.15 * abs(biased - TRUTH)
    errors = np.array([limit.standard_error for limit in limits], dtype=float)
    assert errors.mean() == pytest.approx(values.std(ddof=1), rel=0.2)
    assert 0.89 <= np.mean(np.abs(values - TRUTH) < 1.96 * errors) <= 0.99


def test_a_line_through_random_subsets_points_to_the_same_limit() -> None:
    """As Chong and Forsyth fit it, the noise of the drawing averaged out."""
    features, rng = draw(0, 600), np.random.default_rng(0)
    sizes = np.repeat(np.linspace(150, 600, 7).astype(int), 30)
    values = [
        frechet_distance(real=REAL, generated=Moments.of(rng.choice(features, size, replace=False)))
        for size in sizes
    ]
    fitted = np.polyfit(1 / sizes, values, 1)[1]
    limit = frechet_infinity(real=REAL, generated=features)
    plain = frechet_estimate(real=REAL, generated=features)
    assert limit.value == pytest.approx(fitted, abs=0.2 * (plain.value - limit.value))
    np.testing.assert_array_equal(limit.per_image, plain.per_image)


def test_too_few_images_have_no_error_at_infinity_either() -> None:
    limit = frechet_infinity(real=REAL, generated=draw(0, 31))
    assert limit.standard_error is limit.per_image is None
    assert limit.note.startswith("no standard error: n = 31 images")
    assert limit.note == frechet_estimate(real=REAL, generated=draw(0, 31)).note
