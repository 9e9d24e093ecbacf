"""DINOv2: against transformers, and the authors' interpolation of positions by its formula."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from transformers import Dinov2Config, Dinov2Model

from metrics import MetricsError
from metrics.features import EXTRACTORS
from metrics.features.dinov2 import Dinov2Extractor, dinov2_from
from tests.metrics.published import published_weights

TINY = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "image_size": 518}
LARGE = {"hidden_size": 1024, "num_hidden_layers": 24, "num_attention_heads": 16, "image_size": 518}


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(sum(shape)).integers(0, 256, size=shape, dtype=np.uint8)


@pytest.fixture(scope="module", params=["random", pytest.param("published", marks=pytest.mark.weights)])
def network(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[dict[str, Any], Path]:
    """Return the settings and the weights of a small random network, or of the published one."""
    if request.param == "published":
        return LARGE, published_weights("dinov2-vit-l-14")
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("weights") / "dinov2.safetensors"
    state = Dinov2Model(Dinov2Config(**TINY)).state_dict()
    state["embeddings.position_embeddings"] = torch.randn_like(state["embeddings.position_embeddings"])
    save_file(state, path)
    return TINY, path


def loaded(network: tuple[dict[str, Any], Path]) -> Dinov2Extractor:
    return dinov2_from("dinov2", *network, "cpu")


def test_features_are_the_class_token_of_normalised_pixels(network: tuple[dict[str, Any], Path]) -> None:
    extractor, images = loaded(network), noise(2, 100, 150, 3)
    features = extractor.images(images)
    resized = [Image.fromarray(image).resize((224, 224), Image.Resampling.BICUBIC) for image in images]
    pixels = np.stack([np.asarray(image) for image in resized]).astype(np.float64) / 255
    normalised = (pixels - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
    with torch.no_grad():
        output = extractor.model(torch.tensor(normalised).permute(0, 3, 1, 2).float())
    assert features.shape == (2, extractor.dim) == (2, network[0]["hidden_size"])
    np.testing.assert_allclose(features, output.pooler_output.numpy(), rtol=1e-4, atol=1e-4)


def test_nearly_the_features_that_transformers_interpolates(network: tuple[dict[str, Any], Path]) -> None:
    model = Dinov2Model(Dinov2Config(**network[0])).eval()
    model.load_state_dict(load_file(network[1]))
    images = noise(1, 224, 224, 3)
    inputs = (images / 255 - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
    with torch.no_grad():
        expected = model(torch.tensor(inputs).permute(0, 3, 1, 2).float()).pooler_output.numpy()
    features = loaded(network).images(images)
    cosine = float((features * expected).sum() / np.linalg.norm(features) / np.linalg.norm(expected))
    assert 0.99 < cosine < 1
    assert not np.allclose(features, expected, rtol=1e-5), "its positions are not quite the authors'"


def test_positions_are_sampled_with_the_authors_scale(network: tuple[dict[str, Any], Path]) -> None:
    """Keys' cubic with a = -0.75 at (i + 1/2) 37 / 16.1 - 1/2, worked out for one inner patch."""
    learned = load_file(network[1])["embeddings.position_embeddings"][0, 1:].reshape(37, 37, -1).double()

    def taps(index: int) -> tuple[int, torch.Tensor]:
        place = (index + 0.5) * 37 / 16.1 - 0.5
        first = int(np.floor(place)) - 1
        t = torch.tensor([abs(place - first - tap) for tap in range(4)], dtype=torch.float64)
        near, far = 1.25 * t**3 - 2.25 * t**2 + 1, -0.75 * t**3 + 3.75 * t**2 - 6 * t + 3
        return first, torch.where(t <= 1, near, far)

    (row, rows), (column, columns) = taps(11), taps(4)
    window = learned[row : row + 4, column : column + 4]
    expected = torch.einsum("i,j,ijd->d", rows, columns, window)
    positions = loaded(network).model.embeddings.position_embeddings[0, 1:].reshape(16, 16, -1)
    np.testing.assert_allclose(positions[11, 4], expected, rtol=1e-3, atol=1e-4)


def test_weights_that_are_missing_or_wrong_get_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(MetricsError, match=r"dinov2-vit-l-14: the weights .*none do not exist"):
        EXTRACTORS["dinov2-vit-l-14"].build(tmp_path / "none")
    wrong = tmp_path / "wrong.safetensors"
    save_file({"embeddings.position_embeddings": torch.zeros(1, 257, 8)}, wrong)
    with pytest.raises(MetricsError, match=r"cannot load the weights .*check the file") as caught:
        dinov2_from("dinov2-vit-l-14", TINY, wrong, "cpu")
    assert "\n" not in str(caught.value)

    def offline(*names: str) -> str:
        raise OSError("no route to the hub")

    monkeypatch.setattr("metrics.features.dinov2.hub_file", offline)
    with pytest.raises(MetricsError, match=r"no route to the hub.*pass the path of the file"):
        EXTRACTORS["dinov2-vit-l-14"].build()
