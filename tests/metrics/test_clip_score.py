"""CLIP score: against torch, its error, and refusals."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from metrics import MetricsError, clip_score_estimate


def test_value_is_the_mean_cosine_of_torch() -> None:
    rng = np.random.default_rng(0)
    image, text = rng.normal(size=(2, 40, 12)).astype(np.float32) * 7
    estimate = clip_score_estimate(image=image, text=text)
    cosines = torch.nn.functional.cosine_similarity(torch.tensor(image).double(), torch.tensor(text).double())
    assert estimate.value == pytest.approx(float(cosines.mean()), rel=1e-12)
    assert estimate.standard_error == pytest.approx(float(cosines.std()) / np.sqrt(40), rel=1e-12)
    assert estimate.n == 40
    assert estimate.per_image is not None
    np.testing.assert_allclose(estimate.per_image, cosines, rtol=1e-12)


def test_opposite_directions_count_below_zero() -> None:
    rows = np.eye(3)
    assert clip_score_estimate(image=rows, text=-2 * rows).value == pytest.approx(-1.0)


def test_one_image_has_a_value_but_no_error() -> None:
    estimate = clip_score_estimate(image=[[1.0, 0.0]], text=[[1.0, 1.0]])
    assert estimate.value == pytest.approx(np.sqrt(0.5))
    assert estimate.standard_error is None
    assert "1 image" in estimate.note


def test_mismatches_and_empty_vectors_are_refused() -> None:
    with pytest.raises(MetricsError, match="a prompt for every image"):
        clip_score_estimate(image=np.ones((3, 4)), text=np.ones((2, 4)))
    with pytest.raises(MetricsError, match="text features: row 1 is all zeros"):
        clip_score_estimate(image=np.ones((2, 4)), text=[[1, 0, 0, 0], [0, 0, 0, 0]])
    with pytest.raises(MetricsError, match="image features: 0 images, at least 1"):
        clip_score_estimate(image=np.ones((0, 4)), text=np.ones((0, 4)))
