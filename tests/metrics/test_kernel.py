"""Kernel distance: against torchmetrics and the plain double sum, and its error against simulation."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch

import metrics._pairs
from metrics import KernelReference, MetricsError, kernel_estimate
from metrics.uncertainty import jackknife_error, partners


def draw(seed: int, n: int, d: int = 6, shift: float = 0.0) -> np.ndarray:
    return np.random.default_rng(seed).gamma(2.0, size=(n, d)) + shift


def by_definition(real: np.ndarray, generated: np.ndarray) -> float:
    """Return the unbiased MMD^2 by its double sums."""

    def kernel(x: np.ndarray, y: np.ndarray) -> float:
        return float((x @ y / x.size + 1) ** 3)

    def among(rows: np.ndarray) -> float:
        pairs = [kernel(x, y) for i, x in enumerate(rows) for j, y in enumerate(rows) if i != j]
        return float(np.mean(pairs))

    return (
        among(real) + among(generated) - 2 * float(np.mean([kernel(x, y) for x in real for y in generated]))
    )


def test_value_is_the_double_sum_for_unequal_counts() -> None:
    real, generated = draw(0, 12), draw(1, 9, shift=0.5)
    estimate = kernel_estimate(real=KernelReference.of(real), generated=generated)
    assert estimate.value == pytest.approx(by_definition(real, generated), rel=1e-10)
    assert estimate.n == 9


def test_value_agrees_with_torchmetrics() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from torchmetrics.image.kid import KernelInceptionDistance

        real, generated = draw(0, 100), draw(1, 100, shift=0.3)
        theirs = KernelInceptionDistance(
            feature=torch.nn.Identity(), subsets=1, subset_size=100, normalize=True
        )
        theirs.set_dtype(torch.float64)
        theirs.update(torch.tensor(real), real=True)
        theirs.update(torch.tensor(generated), real=False)
        expected = float(theirs.compute()[0])
    assert kernel_estimate(real=KernelReference.of(real), generated=generated).value == pytest.approx(
        expected, rel=1e-6
    )


def test_value_is_unbiased_where_the_sets_agree() -> None:
    values = [
        kernel_estimate(real=KernelReference.of(draw(seed, 40)), generated=draw(seed + 1000, 30)).value
        for seed in range(300)
    ]
    assert abs(np.mean(values)) < 3 * np.std(values, ddof=1) / np.sqrt(300)
    assert min(values) < 0


def test_error_is_the_jackknife_over_generated_images() -> None:
    real, generated = draw(0, 30), draw(1, 20, shift=0.4)
    estimate = kernel_estimate(real=KernelReference.of(real), generated=generated)
    left_out = np.array(
        [
            kernel_estimate(
                real=KernelReference.of(real), generated=np.delete(generated, image, axis=0)
            ).value
            for image in range(20)
        ]
    )
    jackknife = np.sqrt(19 / 20 * ((left_out - left_out.mean()) ** 2).sum())
    assert estimate.per_image is not None
    assert estimate.per_pair is not None
    assert estimate.per_image.std(ddof=1) / np.sqrt(20) == pytest.approx(jackknife, rel=1e-9)
    others = partners(20)
    without_two = np.array(
        [
            kernel_estimate(real=KernelReference.of(real), generated=np.delete(generated, pair, axis=0)).value
            for pair in zip(range(20), others, strict=True)
        ]
    )
    pairs = 20 * estimate.value - 19 * (left_out + left_out[others]) + 18 * without_two
    np.testing.assert_allclose(estimate.per_pair, pairs, atol=1e-12)
    assert estimate.standard_error == jackknife_error(estimate.per_image, estimate.per_pair)


@pytest.mark.parametrize("shift", [0.0, 0.5])
def test_standard_error_matches_repeated_draws(shift: float) -> None:
    real = draw(10_000, 400)
    estimates = [
        kernel_estimate(real=KernelReference.of(real), generated=draw(seed, 200, shift=shift))
        for seed in range(200)
    ]
    true_error = np.std([estimate.value for estimate in estimates], ddof=1)
    claimed = np.mean([estimate.standard_error for estimate in estimates])
    assert claimed == pytest.approx(true_error, rel=0.15)


def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    real, generated = draw(0, 50), draw(1, 33, shift=0.5)
    whole = kernel_estimate(real=KernelReference.of(real), generated=generated)
    monkeypatch.setattr(metrics._pairs, "_BLOCK_ROWS", 7)
    blocks = kernel_estimate(real=KernelReference.of(real), generated=generated)
    assert blocks.value == pytest.approx(whole.value, rel=1e-12)
    assert blocks.standard_error == pytest.approx(whole.standard_error, rel=1e-10)


def test_three_images_have_a_value_but_no_error() -> None:
    estimate = kernel_estimate(real=KernelReference.of(draw(0, 5)), generated=draw(1, 3))
    assert estimate.standard_error is None
    assert "3 images" in estimate.note


def test_bad_features_are_refused_and_roles_are_named() -> None:
    with pytest.raises(MetricsError, match="generated features: 1 images, at least 2"):
        kernel_estimate(real=KernelReference.of(draw(0, 5)), generated=draw(1, 1))
    with pytest.raises(MetricsError, match="6 dimensions, generated ones 5"):
        kernel_estimate(real=KernelReference.of(draw(0, 5)), generated=draw(1, 4, d=5))
    with pytest.raises(TypeError):
        kernel_estimate(draw(0, 5), draw(1, 5))  # type: ignore[call-arg]
