"""CLIP score: against torch, its error, and refusals."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
import torch

from metrics import MetricsError, clip_score_estimate
from metrics.clip_score import clip_score_x100_estimate
from metrics.uncertainty import with_clusters


def test_value_is_the_mean_cosine_of_torch() -> None:
    rng = np.random.default_rng(0)
    image, text = rng.normal(size=(2, 40, 12)).astype(np.float32) * 7
    estimate = clip_score_estimate(generated=image, text=text)
    cosines = torch.nn.functional.cosine_similarity(torch.tensor(image).double(), torch.tensor(text).double())
    assert estimate.value == pytest.approx(float(cosines.mean()), rel=1e-12)
    assert estimate.standard_error == pytest.approx(float(cosines.std()) / np.sqrt(40), rel=1e-12)
    assert estimate.n == 40
    assert estimate.per_image is not None
    np.testing.assert_allclose(estimate.per_image, cosines, rtol=1e-12)


def test_the_other_convention_is_torchmetrics() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from torchmetrics.functional.multimodal import clip_score

    rng = np.random.default_rng(0)
    image, text = rng.normal(size=(2, 9, 12)).astype(np.float32)

    class Looked:
        """A model whose features are given: pixels and tokens are row numbers."""

        config = None

        def to(self, device: object) -> Looked:
            return self

        def get_image_features(self, pixels: torch.Tensor) -> torch.Tensor:
            return torch.tensor(image)[pixels[:, 0, 0, 0].long()]

        def get_text_features(self, tokens: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
            return torch.tensor(text)[tokens]

    def processor(**given: Any) -> dict[str, torch.Tensor]:
        if "images" in given:
            return {"pixel_values": torch.stack(given["images"])}
        tokens = torch.tensor([int(word) for word in given["text"]])
        return {"input_ids": tokens, "attention_mask": torch.ones(len(tokens), 1)}

    pixels = torch.arange(9.0).view(9, 1, 1, 1).expand(9, 3, 4, 4)
    for sign in (1, -1):  # one of the two has a negative mean
        image *= sign
        theirs = clip_score(pixels, [str(row) for row in range(9)], lambda: (Looked(), processor))
        ours = clip_score_x100_estimate(generated=image, text=text)
        assert ours.value == pytest.approx(float(theirs), rel=1e-5)
        raw = clip_score_estimate(generated=image, text=text)
        if raw.value < 0:
            assert (ours.value, ours.standard_error) == (0, None)
            assert "clipped" in ours.note
        else:
            assert raw.standard_error is not None
            assert ours.standard_error == pytest.approx(100 * raw.standard_error)


def test_opposite_directions_count_below_zero() -> None:
    rows = np.eye(3)
    assert clip_score_estimate(generated=rows, text=-2 * rows).value == pytest.approx(-1.0)


def test_one_image_has_a_value_but_no_error() -> None:
    estimate = clip_score_estimate(generated=[[1.0, 0.0]], text=[[1.0, 1.0]])
    assert estimate.value == pytest.approx(np.sqrt(0.5))
    assert estimate.standard_error is None
    assert "1 image" in estimate.note


def test_images_of_one_prompt_are_not_independent() -> None:
    rng = np.random.default_rng(0)
    text = np.repeat(rng.normal(size=(30, 6)), 4, axis=0)
    image = text + np.repeat(rng.normal(size=(30, 6)), 4, axis=0) + 0.1 * rng.normal(size=(120, 6))
    prompts = [f"prompt {row // 4}" for row in range(120)]
    plain = clip_score_estimate(generated=image, text=text)
    clustered = with_clusters(plain, prompts)
    assert clustered.value == plain.value
    assert plain.per_image is not None
    of_means = plain.per_image.reshape(30, 4).mean(axis=1).std(ddof=1) / np.sqrt(30)
    assert clustered.standard_error == pytest.approx(of_means, rel=1e-9)
    assert clustered.standard_error > 1.7 * plain.standard_error
    assert with_clusters(plain, [str(row) for row in range(120)]) is plain
    single = with_clusters(plain, ["one"] * 120)
    assert single.standard_error is None
    assert "1 prompt" in single.note


def test_mismatches_and_empty_vectors_are_refused() -> None:
    with pytest.raises(MetricsError, match="a prompt for every image"):
        clip_score_estimate(generated=np.ones((3, 4)), text=np.ones((2, 4)))
    with pytest.raises(MetricsError, match="text features: row 1 is all zeros"):
        clip_score_estimate(generated=np.ones((2, 4)), text=[[1, 0, 0, 0], [0, 0, 0, 0]])
    with pytest.raises(MetricsError, match="image features: 0 images, at least 1"):
        clip_score_estimate(generated=np.ones((0, 4)), text=np.ones((0, 4)))
