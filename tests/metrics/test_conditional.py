"""cFreD: closed forms for Gaussians, the papers' formula, and its error without one image."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import linalg

from metrics import MetricsError, frechet_estimate
from metrics.conditional import ConditionalReference, conditional_frechet_estimate
from metrics.frechet import FrechetReference

RANDOM = np.random.default_rng(0)
TEXT = RANDOM.normal(size=(80, 4))
REAL = TEXT @ RANDOM.normal(size=(4, 6)) + RANDOM.normal(size=(80, 6))
GENERATED = TEXT @ RANDOM.normal(size=(4, 6)) + 0.3 + RANDOM.normal(size=(80, 6)) @ np.diag(np.arange(1, 7))


def cfred(generated: np.ndarray = GENERATED, text: np.ndarray = TEXT, of_real: np.ndarray = TEXT):
    reference = ConditionalReference.of(REAL, of_real)
    return conditional_frechet_estimate(real=reference, generated=generated, text=text)


def cross(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return (a - a.mean(axis=0)).T @ (b - b.mean(axis=0)) / (len(a) - 1)


def test_the_value_is_the_papers_formula_of_moments() -> None:
    inverse = np.linalg.pinv(cross(TEXT, TEXT))
    left = [cross(y, y) - cross(y, TEXT) @ inverse @ cross(TEXT, y) for y in (REAL, GENERATED)]
    gap = REAL.mean(axis=0) - GENERATED.mean(axis=0)
    slopes = (cross(REAL, TEXT) - cross(GENERATED, TEXT)) @ inverse
    text = (TEXT - TEXT.mean(axis=0)).T @ (TEXT - TEXT.mean(axis=0)) / len(TEXT)
    roots = np.trace(linalg.sqrtm(left[0] @ left[1]).real)
    expected = gap @ gap + np.trace(slopes @ text @ slopes.T) + np.trace(left[0] + left[1]) - 2 * roots
    assert cfred().value == pytest.approx(expected, rel=1e-9)


def test_gaussians_have_a_closed_form() -> None:
    """Independent outputs: squared gap of means, E |(a - b) x|^2 and squared gap of deviations add up."""
    random, n = np.random.default_rng(1), 200_000
    a, b = np.array([[1.0, 0.5], [0.0, 2.0]]), np.array([[0.5, 0.5], [1.0, 1.0]])
    scales, deviations, other = np.array([1.0, 2.0]), np.array([1.0, 0.5]), np.array([0.3, 0.7])
    x, far = (random.normal(size=(n, 2)) * scales for _ in range(2))
    real = x @ a + random.normal(size=(n, 2)) * deviations
    generated = far @ b + 0.2 + random.normal(size=(n, 2)) * other
    expected = 2 * 0.2**2 + np.sum((scales[:, None] * (a - b)) ** 2) + np.sum((deviations - other) ** 2)
    found = conditional_frechet_estimate(real=ConditionalReference.of(real, x), generated=generated, text=far)
    assert abs(found.value - expected) < 4 * found.standard_error
    assert found.standard_error < 0.01 * expected


def test_prompts_that_all_agree_leave_the_plain_distance() -> None:
    alike = TEXT * 0 + 5.3
    plain = frechet_estimate(real=FrechetReference.of(REAL), generated=GENERATED)
    found = cfred(text=alike, of_real=alike)
    assert found.value == pytest.approx(plain.value, rel=1e-9)
    np.testing.assert_allclose(found.per_image, plain.per_image, rtol=1e-6, atol=1e-6)


def test_a_model_that_ignores_its_prompts_is_seen() -> None:
    shuffled = np.random.default_rng(2).permutation(REAL)
    assert cfred(generated=REAL).value < 1e-9
    assert cfred(generated=shuffled).value > 5
    assert frechet_estimate(real=FrechetReference.of(REAL), generated=shuffled).value < 1e-9


def test_the_error_is_the_jackknife() -> None:
    n = 80
    without = [cfred(np.delete(GENERATED, i, 0), np.delete(TEXT, i, 0)).value for i in range(n)]
    found = cfred()
    np.testing.assert_allclose(found.per_image, (n - 1) * (np.mean(without) - without), rtol=1e-5, atol=1e-5)
    assert found.standard_error == pytest.approx(np.std(found.per_image, ddof=1) / n**0.5)


def test_a_text_that_stands_alone_fits_itself_and_breaks_nothing() -> None:
    text = np.column_stack([TEXT, np.zeros(80)])
    text[7, 4] = 3.0
    found = cfred(text=text, of_real=text)
    assert np.isfinite(found.per_image).all()
    assert abs(found.per_image[7]) < 10 * np.std(found.per_image)


def test_dimensions_of_prompts_count_for_the_least_number_of_images() -> None:
    wide = np.random.default_rng(3).normal(size=(80, 40))
    found = cfred(text=wide, of_real=wide)
    assert found.standard_error is None
    assert found.note == "no standard error: n = 80 images, at least 92 are needed for 46 dimensions"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"text": TEXT[:-1]}, "80 images, 79 prompts, one for each"),
        ({"text": TEXT[:, :3]}, "4 dimensions, generated ones 3"),
        ({"generated": GENERATED[:, :5]}, "6 dimensions, generated ones 5"),
        ({"generated": GENERATED[:2], "text": TEXT[:2]}, "2 images, at least 3"),
        ({"text": np.where(TEXT > 2, np.nan, TEXT)}, "NaN or infinity"),
    ],
)
def test_unusable_features_are_refused(change: dict[str, np.ndarray], message: str) -> None:
    with pytest.raises(MetricsError, match=message):
        cfred(**change)
