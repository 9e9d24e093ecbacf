"""CMMD: against its formula written out, its small-sample behaviour, and its error."""

from __future__ import annotations

import numpy as np
import pytest

import metrics._pairs
from metrics import CmmdReference, MetricsError, cmmd_estimate


def draw(seed: int, n: int, shift: float = 0.0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n, 12)) + shift


def by_formula(x: np.ndarray, y: np.ndarray) -> float:
    """Return 1000 MMD^2, all pairs and each point with itself, of rows brought to length one."""
    x, y = (rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in (x, y))

    def mean_kernel(a: np.ndarray, b: np.ndarray) -> float:
        squares = ((a[:, None] - b[None]) ** 2).sum(axis=-1)
        return float(np.exp(-squares / (2 * 10**2)).mean())

    return 1000 * (mean_kernel(x, x) + mean_kernel(y, y) - 2 * mean_kernel(x, y))


def test_value_is_the_formulas_whatever_the_lengths_of_the_features() -> None:
    real, generated = draw(0, 40), draw(1, 30, shift=0.5)
    estimate = cmmd_estimate(real=CmmdReference.of(real), generated=generated)
    assert estimate.value == pytest.approx(by_formula(real, generated), rel=1e-9)
    assert estimate.n == 30
    longer = cmmd_estimate(real=CmmdReference.of(3 * real), generated=7 * generated)
    assert longer.value == pytest.approx(estimate.value, rel=1e-9)


def test_equal_sets_have_none_and_small_ones_a_bias() -> None:
    real = draw(0, 50)
    assert cmmd_estimate(real=CmmdReference.of(real), generated=real).value == pytest.approx(0, abs=1e-9)
    values = [cmmd_estimate(real=CmmdReference.of(real), generated=draw(s, 20)).value for s in range(1, 30)]
    assert min(values) > 0
    assert np.mean(values) < 1000 * (1 / 20 + 1 / 50) * (1 - np.exp(-0.02)), "the bound of the docstring"


def test_standard_error_matches_repeated_draws() -> None:
    reference = CmmdReference.of(draw(10_000, 200))
    estimates = [cmmd_estimate(real=reference, generated=draw(seed, 100, shift=0.5)) for seed in range(100)]
    true_error = np.std([estimate.value for estimate in estimates], ddof=1)
    claimed = np.mean([estimate.standard_error for estimate in estimates])
    assert claimed == pytest.approx(true_error, rel=0.35)


def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    real, generated = draw(0, 50), draw(1, 33, shift=0.5)
    whole = cmmd_estimate(real=CmmdReference.of(real), generated=generated)
    monkeypatch.setattr(metrics._pairs, "_BLOCK_ROWS", 7)
    blocks = cmmd_estimate(real=CmmdReference.of(real), generated=generated)
    assert blocks.value == pytest.approx(whole.value, rel=1e-9)
    assert blocks.standard_error == pytest.approx(whole.standard_error, rel=1e-9)


def test_one_image_has_no_error_and_rows_of_zeros_are_refused() -> None:
    reference = CmmdReference.of(draw(0, 5))
    estimate = cmmd_estimate(real=reference, generated=draw(1, 1))
    assert estimate.standard_error is None
    assert "1 image" in estimate.note
    with pytest.raises(MetricsError, match="generated features: row 0 is all zeros"):
        cmmd_estimate(real=reference, generated=np.zeros((2, 12)))
