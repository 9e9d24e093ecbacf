"""LPIPS: the formula written out, and torchmetrics' own function, on an AlexNet of random weights."""

from __future__ import annotations

from copy import deepcopy
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
import torchmetrics
from torch.nn.functional import normalize
from torchmetrics.functional.image import learned_perceptual_image_patch_similarity
from torchvision.models import alexnet

from metrics import MetricsError
from metrics.lpips import SMALLEST, Lpips
from tests.metrics.published import published_weights

RELUS = (1, 4, 7, 9, 11)


@cache
def convolutions() -> torch.nn.Sequential:
    torch.manual_seed(0)
    return alexnet().features.eval()


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The convolutions as the published file names them, among other tensors that are not read."""
    state = {f"features.{name}": row for name, row in convolutions().state_dict().items()}
    path = tmp_path_factory.mktemp("lpips") / "alexnet.pth"
    torch.save({**state, "classifier.1.bias": torch.zeros(3)}, path)
    return path


def pairs(height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    a = random.integers(0, 256, (3, height, width, 3), dtype=np.uint8)
    b = (a + random.normal(0, 30, a.shape) * np.arange(3)[:, None, None, None]).clip(0, 255).astype(np.uint8)
    return a, b


def backbone(weights: Path) -> torch.nn.Sequential:
    state = torch.load(weights, weights_only=True)
    features = deepcopy(convolutions())
    names = features.state_dict()
    features.load_state_dict({name: state[f"features.{name}"] for name in names})
    return features


def by_hand(weights: Path, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    file = Path(str(torchmetrics.__file__)).parent / "functional" / "image" / "lpips_models" / "alex.pth"
    heads = [row.flatten() for row in torch.load(file, map_location="cpu", weights_only=True).values()]
    shift, scale = torch.tensor([-0.030, -0.088, -0.188]), torch.tensor([0.458, 0.448, 0.450])
    layers = [(torch.tensor(each) / 127.5 - 1 - shift) / scale for each in (a, b)]
    layers, total = [each.permute(0, 3, 1, 2) for each in layers], torch.zeros(len(a))
    with torch.no_grad():
        for place, layer in enumerate(backbone(weights)[: RELUS[-1] + 1]):
            layers = [layer(each) for each in layers]
            if place in RELUS:
                unit = [normalize(each, dim=1) for each in layers]
                squares = (unit[0] - unit[1]) ** 2
                total += torch.einsum("bchw,c->bhw", squares, heads[RELUS.index(place)]).mean(dim=(1, 2))
    return total.numpy()


@pytest.mark.parametrize("size", [(SMALLEST, SMALLEST), (70, 45)])
def test_values_are_those_of_the_formula_and_of_torchmetrics(
    size: tuple[int, int], weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    a, b = pairs(*size)
    found = Lpips(weights)(a, b)
    assert found[0] == 0 < found[1] < found[2]
    np.testing.assert_allclose(found, by_hand(weights, a, b), atol=1e-6)
    library = "torchmetrics.functional.image.lpips._get_tv_model_features"
    monkeypatch.setattr(library, lambda net, pretrained: backbone(weights))
    first, second = (torch.tensor(each).permute(0, 3, 1, 2) / 127.5 - 1 for each in (a, b))
    theirs = learned_perceptual_image_patch_similarity(first, second, reduction="none")
    np.testing.assert_allclose(found, theirs, atol=1e-6)


def test_the_digest_tells_weights_apart(weights: Path, tmp_path: Path) -> None:
    state = torch.load(weights, weights_only=True)
    torch.save({"classifier.9.weight": torch.ones(2), **state}, tmp_path / "same.pth")
    state["features.10.bias"][0] += 1
    torch.save(state, tmp_path / "other.pth")
    digest = Lpips(weights).digest
    assert Lpips(tmp_path / "same.pth").digest == digest != Lpips(tmp_path / "other.pth").digest


def test_wrong_files_get_one_line(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.pth"
    torch.save({"features.0.weight": torch.zeros(2)}, wrong)
    for content in (None, b"", b"<html>", b"no weights"):
        if content is not None:
            wrong.write_bytes(content)
        with pytest.raises(MetricsError, match=r"^lpips-alex: [^\n]*wrong\.pth[^\n]*$"):
            Lpips(wrong)


@pytest.mark.weights
def test_published_weights_see_more_noise_as_more_different(monkeypatch: pytest.MonkeyPatch) -> None:
    weights = published_weights("lpips-alex")
    a, b = pairs(224, 224)
    found = Lpips(weights)(a, b)
    assert found[0] == 0 < found[1] < found[2]
    np.testing.assert_allclose(found, by_hand(weights, a, b), atol=1e-6)
