"""Frechet distance: closed forms, other libraries, and the standard error against simulation."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch
from scipy import linalg

from metrics import MetricsError, Moments, frechet_distance, frechet_estimate


def correlated(seed: int, n: int, d: int, shift: float = 0.0, scale: float = 1.0) -> np.ndarray:
    """Return gamma-distributed, correlated features [n, d]: skewed, as real ones are."""
    mixing = np.random.default_rng(d).normal(size=(d, d)) / np.sqrt(d) + np.eye(d)
    return scale * np.random.default_rng(seed).gamma(2.0, size=(n, d)) @ mixing + shift


def pair(d: int = 16, n: int = 500) -> tuple[np.ndarray, np.ndarray]:
    return correlated(0, n, d), correlated(1, n - 100, d, shift=0.2, scale=1.3)


def test_diagonal_gaussians_have_a_closed_form() -> None:
    rng = np.random.default_rng(0)
    means, deviations = rng.normal(size=(2, 7)), rng.uniform(0.1, 3, size=(2, 7))
    real, generated = (Moments(10, m, np.diag(s**2)) for m, s in zip(means, deviations, strict=True))
    expected = ((means[0] - means[1]) ** 2).sum() + ((deviations[0] - deviations[1]) ** 2).sum()
    assert frechet_distance(real=real, generated=generated) == pytest.approx(expected, rel=1e-12)


def test_rotation_leaves_the_distance_alone_and_scaling_squares() -> None:
    real, generated = pair()
    rotation = linalg.qr(np.random.default_rng(3).normal(size=(16, 16)))[0]
    plain = frechet_distance(real=Moments.of(real), generated=Moments.of(generated))
    turned = frechet_distance(real=Moments.of(real @ rotation), generated=Moments.of(generated @ rotation))
    scaled = frechet_distance(real=Moments.of(3 * real), generated=Moments.of(3 * generated))
    assert turned == pytest.approx(plain, rel=1e-10)
    assert scaled == pytest.approx(9 * plain, rel=1e-10)


def test_value_agrees_with_scipys_matrix_root() -> None:
    real, generated = (Moments.of(features) for features in pair())
    root = linalg.sqrtm(real.covariance @ generated.covariance)
    gap = real.mean - generated.mean
    expected = gap @ gap + np.trace(real.covariance + generated.covariance - 2 * root.real)
    assert frechet_distance(real=real, generated=generated) == pytest.approx(expected, rel=1e-6)


def test_value_agrees_with_torchmetrics() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from torchmetrics.image.fid import FrechetInceptionDistance

        real, generated = pair()
        identity = torch.nn.Identity()
        identity.num_features = 16
        theirs = FrechetInceptionDistance(feature=identity, normalize=True).set_dtype(torch.float64)
        theirs.update(torch.tensor(real), real=True)
        theirs.update(torch.tensor(generated), real=False)
        expected = float(theirs.compute())
    assert frechet_distance(real=Moments.of(real), generated=Moments.of(generated)) == pytest.approx(
        expected, rel=1e-6
    )


def test_the_estimate_carries_the_distance_and_its_influences() -> None:
    real, generated = pair()
    estimate = frechet_estimate(real=Moments.of(real), generated=generated)
    value = frechet_distance(real=Moments.of(real), generated=Moments.of(generated))
    assert estimate.value == pytest.approx(value, rel=1e-9)
    assert estimate.n == 400
    assert estimate.note == ""
    assert estimate.per_image is not None
    assert estimate.per_image.shape == (400,)
    assert estimate.standard_error == pytest.approx(estimate.per_image.std(ddof=1) / 20, rel=1e-12)


def test_equal_sets_have_distance_zero_and_never_below() -> None:
    features = correlated(0, 300, 16)
    assert 0 <= frechet_estimate(real=Moments.of(features), generated=features).value < 1e-10


def test_roles_are_not_interchangeable_by_position() -> None:
    real, generated = (Moments.of(features) for features in pair())
    with pytest.raises(TypeError):
        frechet_distance(real, generated)  # type: ignore[call-arg]


def test_the_error_belongs_to_the_generated_side() -> None:
    """The distance is symmetric, its error is not: only the generated images are redrawn."""
    small, large = correlated(0, 100, 4), correlated(1, 5000, 4, shift=0.5)
    of_small = frechet_estimate(real=Moments.of(large), generated=small)
    of_large = frechet_estimate(real=Moments.of(small), generated=large)
    assert of_small.value == pytest.approx(of_large.value, rel=1e-9)
    assert of_small.standard_error is not None
    assert of_large.standard_error is not None
    assert of_small.standard_error > 3 * of_large.standard_error


def test_influences_are_the_derivative_of_the_distance() -> None:
    """Moving weight onto one image moves the distance at the rate of its influence."""
    real, generated = (features[:60] for features in pair(d=5))
    reference = Moments.of(real)
    estimate = frechet_estimate(real=reference, generated=generated)
    assert estimate.per_image is not None
    plain, step = Moments.of(generated), 1e-6
    for image in (0, 7, 31):
        # (1 - step) P + step delta_x, with the covariance's first-order change.
        centred = generated[image] - plain.mean
        moved = Moments(
            n=60,
            mean=plain.mean + step * centred,
            covariance=plain.covariance + step * (np.outer(centred, centred) - plain.covariance),
        )
        change = (frechet_distance(real=reference, generated=moved) - estimate.value) / step
        assert estimate.per_image[image] == pytest.approx(change, rel=1e-3, abs=1e-3)


def test_standard_error_matches_repeated_draws() -> None:
    reference = Moments.of(correlated(10_000, 4000, 8))
    estimates = [
        frechet_estimate(real=reference, generated=correlated(seed, 400, 8, shift=0.3, scale=1.1))
        for seed in range(200)
    ]
    true_error = np.std([estimate.value for estimate in estimates], ddof=1)
    claimed = np.mean([estimate.standard_error for estimate in estimates])
    assert claimed == pytest.approx(true_error, rel=0.35)


def test_paired_differences_are_sharper_than_single_figures() -> None:
    """Two cells over the same prompts share most of their noise; the influences' difference shows it."""
    reference, differences, claimed = Moments.of(correlated(10_000, 4000, 8)), [], []
    for seed in range(120):
        first = correlated(seed, 400, 8)
        second = 1.05 * first + 0.1 * correlated(seed + 500, 400, 8)
        a = frechet_estimate(real=reference, generated=first)
        b = frechet_estimate(real=reference, generated=second)
        assert a.per_image is not None
        assert b.per_image is not None
        differences.append(b.value - a.value)
        claimed.append(np.std(b.per_image - a.per_image, ddof=1) / np.sqrt(400))
    assert np.mean(claimed) == pytest.approx(np.std(differences, ddof=1), rel=0.35)


def test_standard_error_agrees_with_the_jackknife() -> None:
    reference, generated = Moments.of(correlated(0, 2000, 8)), correlated(1, 400, 8, shift=0.3)
    estimate = frechet_estimate(real=reference, generated=generated)
    left_out = np.array(
        [
            frechet_distance(real=reference, generated=Moments.of(np.delete(generated, image, axis=0)))
            for image in range(400)
        ]
    )
    jackknife = np.sqrt(399 / 400 * ((left_out - left_out.mean()) ** 2).sum())
    assert estimate.standard_error == pytest.approx(jackknife, rel=0.05)


def test_too_few_images_have_a_value_but_no_error() -> None:
    real, generated = correlated(0, 500, 16), correlated(1, 16, 16, shift=0.5)
    estimate = frechet_estimate(real=Moments.of(real), generated=generated)
    assert estimate.standard_error is None
    assert estimate.per_image is None
    assert "n = 16 images, more than the 16 dimensions" in estimate.note
    # The trace of the root is the sum of the singular values of centred features times the real root.
    reference, moments = Moments.of(real), Moments.of(generated)
    singular = np.linalg.svd(
        (generated - moments.mean) @ linalg.sqrtm(reference.covariance), compute_uv=False
    )
    gap = reference.mean - moments.mean
    traces = np.trace(reference.covariance) + np.trace(moments.covariance)
    expected = gap @ gap + traces - 2 * singular.sum() / np.sqrt(15)
    assert estimate.value == pytest.approx(expected, rel=1e-6)


def test_a_dead_feature_changes_nothing() -> None:
    real, generated = pair(d=6)
    plain = frechet_estimate(real=Moments.of(real), generated=generated)
    padded = frechet_estimate(
        real=Moments.of(np.pad(real, ((0, 0), (0, 2)))), generated=np.pad(generated, ((0, 0), (0, 2)))
    )
    assert padded.value == pytest.approx(plain.value, rel=1e-6)
    assert padded.standard_error == pytest.approx(plain.standard_error, rel=1e-6)


def test_features_of_two_extractors_are_refused() -> None:
    with pytest.raises(MetricsError, match="real features have 4 dimensions, generated ones 5"):
        frechet_estimate(real=Moments.of(np.eye(6, 4)), generated=np.eye(6, 5))
