"""Frechet distance: closed forms, other libraries, and the standard error against simulation."""

from __future__ import annotations

import warnings
from functools import reduce
from itertools import pairwise

import numpy as np
import pytest
import torch
from scipy import linalg

from metrics import MetricsError, Moments, frechet_distance, frechet_estimate, merge
from metrics.compare import compare
from metrics.frechet import FrechetReference


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
    plain = estimate.per_image.std(ddof=1) / 20
    assert estimate.standard_error is not None
    assert plain / np.sqrt(2) <= estimate.standard_error <= plain


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


@pytest.mark.parametrize(("n", "d"), [(40, 5), (40, 40), (36, 50)])
def test_every_image_left_out_is_the_distance_without_it(n: int, d: int) -> None:
    """One decomposition gives what n smaller distances give, also where images span less than the space."""
    reference = FrechetReference.of(Moments.of(correlated(0, 300, d)))
    generated = correlated(1, n, d, shift=0.2)
    sets = reference.leave_out(generated, minimum=4)
    partners = np.roll(np.arange(n), 7)

    def without(*images: int) -> float:
        return frechet_distance(real=reference, generated=Moments.of(np.delete(generated, images, axis=0)))

    one, two = sets.without_one(), sets.without_two(partners)
    for image in (0, 9, 33):
        assert one[image] == pytest.approx(without(image), rel=1e-6)
        assert two[image] == pytest.approx(without(image, partners[image]), rel=1e-6)


def test_figures_per_image_are_what_leaving_one_out_takes() -> None:
    reference, generated = Moments.of(correlated(0, 300, 5)), correlated(1, 60, 5, shift=0.2)
    estimate = frechet_estimate(real=reference, generated=generated)
    assert estimate.per_image is not None
    left_out = np.array(
        [
            frechet_distance(real=reference, generated=Moments.of(np.delete(generated, image, axis=0)))
            for image in range(60)
        ]
    )
    np.testing.assert_allclose(estimate.per_image, 59 * (left_out.mean() - left_out), rtol=1e-5, atol=1e-4)


def test_standard_error_matches_repeated_draws_also_near_the_real_set() -> None:
    """Near the real set the second order is all there is: the plain jackknife says 1.4 times too much."""
    reference = Moments.of(correlated(10_000, 4000, 8))
    estimates = [frechet_estimate(real=reference, generated=correlated(seed, 100, 8)) for seed in range(250)]
    true_error = np.std([estimate.value for estimate in estimates], ddof=1)
    claimed = np.mean([estimate.standard_error for estimate in estimates])
    assert claimed == pytest.approx(true_error, rel=0.2)


def test_paired_errors_match_repeated_draws_of_both_cells() -> None:
    """Two cells over the same prompts share most of their noise, in what images do singly and in pairs."""
    reference, pairs, plain = Moments.of(correlated(10_000, 4000, 16)), [], []
    for seed in range(250):
        first, own = correlated(seed, 64, 16), correlated(seed + 500, 64, 16)
        a, b = (frechet_estimate(real=reference, generated=x) for x in (first, 0.7 * first + 0.4 * own))
        pairs.append(compare(a, b))
        plain.append(np.std(a.per_image - b.per_image, ddof=1) / 8)  # type: ignore[operator]
    true_error = np.std([pair.difference for pair in pairs], ddof=1)
    claimed = np.mean([pair.standard_error for pair in pairs])
    assert claimed == pytest.approx(true_error, rel=0.2)
    assert claimed < 0.97 * np.mean(plain)


def test_too_few_images_have_a_value_but_no_error() -> None:
    real, generated = correlated(0, 500, 32), correlated(1, 63, 32, shift=0.5)
    estimate = frechet_estimate(real=Moments.of(real), generated=generated)
    assert estimate.standard_error is None
    assert estimate.per_image is None
    assert estimate.note == "no standard error: n = 63 images, at least 64 are needed for 32 dimensions"
    assert frechet_estimate(real=Moments.of(real), generated=correlated(1, 64, 32)).standard_error is not None


@pytest.mark.parametrize("n", [2, 15, 16, 17])
def test_sets_smaller_than_the_space_have_the_singular_values_of_their_rows(n: int) -> None:
    """The n x n and the d x d product agree with each other and with the nuclear norm of C S_r^(1/2)."""
    real, generated = correlated(0, 500, 16), correlated(1, n, 16, shift=0.5)
    reference, moments = Moments.of(real), Moments.of(generated)
    root = linalg.sqrtm(reference.covariance)
    singular = np.linalg.svd((generated - moments.mean) @ root, compute_uv=False)
    gap = reference.mean - moments.mean
    traces = np.trace(reference.covariance) + np.trace(moments.covariance)
    expected = gap @ gap + traces - 2 * singular.sum() / np.sqrt(n - 1)
    by_rows = frechet_estimate(real=reference, generated=generated).value
    by_moments = frechet_distance(real=reference, generated=moments)
    assert by_rows == pytest.approx(by_moments, rel=1e-9)
    assert by_rows == pytest.approx(expected, rel=1e-6)


def test_a_reference_taken_once_gives_the_same_figures() -> None:
    real, generated = pair()
    reference = FrechetReference.of(Moments.of(real))
    once = frechet_estimate(real=reference, generated=generated)
    anew = frechet_estimate(real=Moments.of(real), generated=generated)
    assert once.value == anew.value
    assert once.standard_error == anew.standard_error


@pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=pytest.mark.gpu)])
@pytest.mark.parametrize(("m", "n"), [(300, 100), (300, 12), (10, 100), (10, 12)])
def test_torch_gives_the_same_figures_on_its_device(device: str, m: int, n: int) -> None:
    """Cholesky's factor and the eigensystem's (m), either product of the generated rows (n)."""
    reference = FrechetReference.of(Moments.of(correlated(0, m, 16)))
    generated = correlated(1, n, 16, shift=0.2)
    ours, theirs = (r.leave_out(generated, minimum=4) for r in (reference, reference.on(device)))
    assert theirs.spectrum.scores.device.type == device
    assert theirs.distance == pytest.approx(ours.distance, rel=1e-10)
    np.testing.assert_allclose(theirs.without_one(), ours.without_one(), rtol=1e-6)
    partners = np.roll(np.arange(n), 5)
    np.testing.assert_allclose(theirs.without_two(partners), ours.without_two(partners), rtol=1e-6)
    moments = Moments.of(generated)
    plain = frechet_distance(real=reference, generated=moments)
    assert frechet_distance(real=reference.on(device), generated=moments) == pytest.approx(plain, rel=1e-10)


def test_real_images_without_any_variance_have_a_distance() -> None:
    reference, generated = FrechetReference.of(Moments.of(np.ones((20, 3)))), correlated(1, 50, 3)
    expected = ((generated.mean(axis=0) - 1) ** 2).sum() + generated.var(axis=0, ddof=1).sum()
    for real in (reference, reference.on("cpu")):
        assert frechet_estimate(real=real, generated=generated).value == pytest.approx(expected)
        assert frechet_distance(real=real, generated=Moments.of(generated)) == pytest.approx(expected)


@pytest.mark.parametrize("m", [10, 500])
def test_the_factor_of_the_real_side_gives_its_covariance(m: int) -> None:
    """By Cholesky, and by the eigensystem where fewer images than dimensions leave it singular."""
    moments = Moments.of(correlated(0, m, 16))
    factor = FrechetReference.of(moments).factor
    assert factor.shape == (16, min(m - 1, 16))
    np.testing.assert_allclose(factor @ factor.T, moments.covariance, rtol=0, atol=1e-12)


def test_batches_and_shards_move_no_distance() -> None:
    real, generated = (features.astype(np.float32) for features in pair())
    reference = FrechetReference.of(Moments.of(real))
    whole = frechet_estimate(real=reference, generated=generated).value
    for size in (2, 7, 64, 399):
        starts = [0, *range(size, 399, size), 400]
        batches = [Moments.of(generated[a:b]) for a, b in pairwise(starts) if b - a > 1]
        kept = np.concatenate([generated[a:b] for a, b in pairwise(starts) if b - a > 1])
        expected = whole if len(kept) == 400 else frechet_estimate(real=reference, generated=kept).value
        merged = frechet_distance(real=reference, generated=reduce(merge, batches))
        assert merged == pytest.approx(expected, rel=1e-10)


def test_images_without_any_variance_have_a_distance() -> None:
    real = Moments.of(correlated(0, 200, 4))
    constant = frechet_estimate(real=real, generated=np.ones((40, 4)))
    assert constant.value == pytest.approx(((real.mean - 1) ** 2).sum() + np.trace(real.covariance))
    assert constant.standard_error == pytest.approx(0, abs=1e-9)


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


def test_few_images_that_make_the_spread_need_more_of_them() -> None:
    rng = np.random.default_rng(0)
    real, generated = Moments.of(rng.normal(size=(300, 16))), rng.normal(size=(64, 16)) + 0.5
    assert frechet_estimate(real=real, generated=generated[:40]).standard_error is not None
    generated[3] *= 6
    estimate = frechet_estimate(real=real, generated=generated[:40])
    assert estimate.standard_error is estimate.per_image is None
    assert "of which a few make most of the spread, at least 64 are needed" in estimate.note
    assert frechet_estimate(real=real, generated=generated).standard_error is not None
