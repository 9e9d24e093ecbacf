"""Precision, recall, density, coverage: against torch-fidelity and the definitions, and exact jackknives."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

import metrics.precision_recall as module
from metrics import MetricsError
from metrics.precision_recall import (
    ManifoldReference,
    coverage_estimate,
    density_estimate,
    precision_estimate,
    recall_estimate,
)

FORMULAS: dict[str, Callable[..., Any]] = {
    "precision": precision_estimate,
    "recall": recall_estimate,
    "density": density_estimate,
    "coverage": coverage_estimate,
}


def draw(seed: int, n: int, d: int = 4, scale: float = 1.0, shift: float = 0.0) -> np.ndarray:
    return scale * np.random.default_rng(seed).normal(size=(n, d)) + shift


def by_definition(real: np.ndarray, generated: np.ndarray, k: int) -> dict[str, float]:
    """Return the four figures by all distances at once."""

    def distances(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        return np.linalg.norm(x[:, None] - y[None], axis=-1)

    def radii(x: np.ndarray) -> np.ndarray:
        return np.sort(distances(x, x), axis=1)[:, k]  # position 0 is the point itself

    across = distances(real, generated)
    in_real = across <= radii(real)[:, None]
    return {
        "precision": float(in_real.any(axis=0).mean()),
        "recall": float((across <= radii(generated)).any(axis=1).mean()),
        "density": float(in_real.sum(axis=0).mean() / k),
        "coverage": float(in_real.any(axis=1).mean()),
    }


@pytest.mark.parametrize("name", FORMULAS)
@pytest.mark.parametrize("k", [3, 5])
def test_value_is_the_definitions(name: str, k: int) -> None:
    real, generated = draw(0, 70), draw(1, 50, scale=0.7, shift=0.4)
    estimate = FORMULAS[name](real=ManifoldReference.of(real, k), generated=generated)
    assert estimate.value == pytest.approx(by_definition(real, generated, k)[name], rel=1e-12)
    assert estimate.n == 50


def test_precision_and_recall_are_torch_fidelitys() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from torch_fidelity.metric_prc import prc_features_to_metric

    real, generated = draw(0, 300, d=8), draw(1, 200, d=8, scale=0.8, shift=0.3)
    theirs = prc_features_to_metric(
        torch.tensor(generated),
        torch.tensor(real),
        prc_neighborhood=3,
        prc_batch_size=64,
        save_cpu_ram=False,
        verbose=False,
    )
    reference = ManifoldReference.of(real, 3)
    assert precision_estimate(real=reference, generated=generated).value == pytest.approx(
        theirs["precision"], rel=1e-6
    )
    assert recall_estimate(real=reference, generated=generated).value == pytest.approx(
        theirs["recall"], rel=1e-6
    )


def test_a_narrow_set_is_precise_and_a_wide_one_recalls() -> None:
    """The convention: precision and density judge the generated images, recall and coverage the real ones."""
    real, narrow, wide = draw(0, 200), draw(1, 200, scale=0.3), draw(2, 200, scale=3.0)
    references = {name: ManifoldReference.of(real, 3) for name in FORMULAS}
    of_narrow, of_wide = (
        {name: FORMULAS[name](real=references[name], generated=rows).value for name in FORMULAS}
        for rows in (narrow, wide)
    )
    assert of_narrow["precision"] > 0.95 > 0.6 > of_wide["precision"]
    assert of_narrow["recall"] < 0.5 < 0.8 < of_wide["recall"]
    assert of_narrow["density"] > 1 > of_wide["density"]
    assert of_narrow["coverage"] < 0.9


@pytest.mark.parametrize("name", FORMULAS)
def test_error_is_the_jackknife_over_generated_images(name: str) -> None:
    real, generated = draw(0, 80, d=3), draw(1, 30, d=3, scale=0.8, shift=0.3)
    estimate = FORMULAS[name](real=ManifoldReference.of(real, 3), generated=generated)
    left_out = np.array(
        [by_definition(real, np.delete(generated, image, axis=0), 3)[name] for image in range(30)]
    )
    jackknife = np.sqrt(29 / 30 * ((left_out - left_out.mean()) ** 2).sum())
    assert estimate.standard_error == pytest.approx(jackknife, rel=1e-9)
    assert estimate.standard_error == pytest.approx(estimate.per_image.std(ddof=1) / np.sqrt(30), rel=1e-12)
    # What an image adds is what the figure loses without it.
    assert np.corrcoef(estimate.per_image, -left_out)[0, 1] == pytest.approx(1)


@pytest.mark.parametrize(
    ("name", "widest"), [("precision", 1.3), ("density", 1.3), ("recall", 2), ("coverage", 2)]
)
def test_standard_error_covers_repeated_draws(name: str, widest: float) -> None:
    reference = ManifoldReference.of(draw(10_000, 300), 3)
    estimates = [
        FORMULAS[name](real=reference, generated=draw(seed, 120, scale=0.9, shift=0.3)) for seed in range(60)
    ]
    true_error = np.std([estimate.value for estimate in estimates], ddof=1)
    claimed = np.mean([estimate.standard_error for estimate in estimates])
    assert 0.75 * true_error < claimed < widest * true_error


@pytest.mark.parametrize("name", FORMULAS)
def test_blocks_change_nothing(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    real, generated = draw(0, 50), draw(1, 33, shift=0.5)
    whole = FORMULAS[name](real=ManifoldReference.of(real, 3), generated=generated)
    monkeypatch.setattr(module, "_BLOCK_ROWS", 7)
    blocks = FORMULAS[name](real=ManifoldReference.of(real, 3), generated=generated)
    assert blocks.value == whole.value
    np.testing.assert_allclose(blocks.per_image, whole.per_image, rtol=1e-12)


def test_a_figure_on_which_all_images_agree_has_no_error() -> None:
    real = draw(0, 40)
    estimate = precision_estimate(real=ManifoldReference.of(real, 3), generated=real[:10])
    assert estimate.value == 1
    assert estimate.standard_error is None
    assert estimate.per_image is None
    assert "all 10 generated images count the same" in estimate.note


def test_too_few_or_different_features_are_refused() -> None:
    with pytest.raises(MetricsError, match="real features: 3 images, at least 4"):
        ManifoldReference.of(draw(0, 3), 3)
    reference = ManifoldReference.of(draw(0, 20), 3)
    with pytest.raises(MetricsError, match="generated features: 4 images, at least 5"):
        recall_estimate(real=reference, generated=draw(1, 4))
    with pytest.raises(MetricsError, match="4 dimensions, generated ones 5"):
        precision_estimate(real=reference, generated=draw(1, 9, d=5))
