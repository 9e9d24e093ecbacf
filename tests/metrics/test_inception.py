"""Inception: the same network behind three ways of resizing, against the library that published it."""

from __future__ import annotations

import pickle
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn.functional import interpolate

from metrics import MetricsError
from metrics.features import EXTRACTORS
from metrics.preprocess import crop_and_resize, resize_float
from tests.metrics.published import published_weights

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from torch_fidelity import feature_extractor_inceptionv3 as port


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(sum(shape)).integers(0, 256, size=shape, dtype=np.uint8)


@pytest.fixture(scope="module", params=["random", pytest.param("published", marks=pytest.mark.weights)])
def weights(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the file of a network with random weights, or of the published one."""
    if request.param == "published":
        return published_weights("inception-v3")
    torch.manual_seed(0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(port, "load_state_dict_from_url", lambda *args, **settings: {})
        patch.setattr(port.FeatureExtractorInceptionV3, "load_state_dict", lambda *args: None)
        model = port.FeatureExtractorInceptionV3("random", ["2048"])
    path = tmp_path_factory.mktemp("weights") / "inception.pth"
    torch.save(model.state_dict(), path)
    return path


def theirs(weights: Path, images: np.ndarray) -> np.ndarray:
    """Return what torch-fidelity's own network makes of images uint8."""
    model: Any = port.FeatureExtractorInceptionV3(
        "theirs", ["2048"], feature_extractor_weights_path=str(weights)
    )
    return np.asarray(model(torch.tensor(images).permute(0, 3, 1, 2))[0])


def test_features_are_those_of_torch_fidelity(weights: Path) -> None:
    extractor = EXTRACTORS["inception-v3"].build(weights)
    images = noise(2, 40, 60, 3)
    features = extractor.images(images)
    assert features.shape == (2, extractor.dim) == (2, 2048)
    assert features.dtype == np.float32
    np.testing.assert_allclose(features, theirs(weights, images), rtol=1e-5, atol=1e-6)
    assert features.std() > 0
    with pytest.raises(MetricsError, match="8-bit RGB"):
        extractor.images(images.astype(np.float32))


def test_pictures_of_299_pixels_are_resized_by_nobody(weights: Path) -> None:
    images = noise(1, 299, 299, 3)
    for name in ("inception-v3", "inception-v3-clean"):
        np.testing.assert_allclose(
            EXTRACTORS[name].build(weights).images(images), theirs(weights, images), rtol=1e-5, atol=1e-6
        )


def test_the_clean_one_sees_unrounded_antialiased_pixels(weights: Path) -> None:
    extractor: Any = EXTRACTORS["inception-v3-clean"].build(weights)
    images = noise(1, 600, 500, 3)
    seen = extractor.resize(images, "cpu").permute(0, 2, 3, 1).numpy()
    np.testing.assert_array_equal(seen, resize_float(images, 299))
    assert (seen % 1 != 0).any()
    plain = interpolate(torch.tensor(images).permute(0, 3, 1, 2).float(), size=(299, 299), mode="bilinear")
    assert seen.std() < 0.8 * float(plain.std()), "without antialiasing noise keeps its contrast"


def test_the_256_one_crops_and_shrinks_first(weights: Path) -> None:
    images = noise(1, 300, 320, 3)
    features = EXTRACTORS["inception-v3-256"].build(weights).images(images)
    np.testing.assert_allclose(features, theirs(weights, crop_and_resize(images, 256)), rtol=1e-5, atol=1e-6)


def test_one_network_is_loaded_for_all_three(weights: Path) -> None:
    trio: list[Any] = [EXTRACTORS[f"inception-v3{end}"].build(weights) for end in ("", "-clean", "-256")]
    assert trio[0].trunk is trio[1].trunk is trio[2].trunk
    assert trio[0].digest == trio[1].digest == trio[2].digest
    assert [extractor.name for extractor in trio] == [
        "inception-v3",
        "inception-v3-clean",
        "inception-v3-256",
    ]


class Malice:
    """Something that only an unlimited unpickler would build."""


def test_inception_weights_that_cannot_be_used_get_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pickled = tmp_path / "pickled.pth"
    pickled.write_bytes(pickle.dumps(Malice()))
    wrong = tmp_path / "wrong.pth"
    torch.save({"weight": torch.zeros(1)}, wrong)
    for path in (tmp_path / "none.pth", pickled, wrong):
        with pytest.raises(
            MetricsError, match=f"inception-v3: cannot load weights from .*{path.name}"
        ) as caught:
            EXTRACTORS["inception-v3"].build(path)
        assert "\n" not in str(caught.value)

    def offline(*args: object, **settings: object) -> None:
        assert settings["weights_only"] is True
        raise OSError("no network")

    monkeypatch.setattr(torch.hub, "load_state_dict_from_url", offline)
    with pytest.raises(MetricsError, match=r"torch hub \(without a network, pass the path of the file"):
        EXTRACTORS["inception-v3"].build()
