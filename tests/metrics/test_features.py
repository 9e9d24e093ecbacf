"""Extractors: small or random-weight networks saved to disk, against the libraries they wrap."""

from __future__ import annotations

import json
import pickle
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import pytest
import torch
from safetensors.torch import save_file

from metrics import MetricsError
from metrics.features import EXTRACTORS
from metrics.features.clip import pretrained_clip

MODEL_CFG: dict[str, Any] = {
    "embed_dim": 16,
    "quick_gelu": True,
    "vision_cfg": {"image_size": 32, "layers": 1, "width": 64, "head_width": 32, "patch_size": 8},
    "text_cfg": {"context_length": 12, "vocab_size": 64, "width": 32, "heads": 2, "layers": 1},
}
PREPROCESS_CFG = {"mean": [0.5, 0.4, 0.3], "std": [0.2, 0.3, 0.4], "size": 32}


def tokenizer(texts: list[str]) -> torch.Tensor:
    """Return int64 [B, 12]: letters as tokens, the end token 63 the highest, as CLIP pools."""
    rows = [[1 + ord(letter) % 60 for letter in text[:11]] + [63] for text in texts]
    return torch.tensor([row + [0] * (12 - len(row)) for row in rows])


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(sum(shape)).integers(0, 256, size=shape, dtype=np.uint8)


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path, torch.nn.Module]:
    """Return config, fp16 weights, and the model in float32 that they describe."""
    torch.manual_seed(0)
    model = open_clip.CLIP(**MODEL_CFG).half().float().eval()
    config, weights = tmp_path / "clip.json", tmp_path / "clip.safetensors"
    config.write_text(json.dumps({"model_cfg": MODEL_CFG, "preprocess_cfg": PREPROCESS_CFG}))
    save_file({name: tensor.half().contiguous() for name, tensor in model.state_dict().items()}, weights)
    return config, weights, model


def test_shapes_clip_computes_what_open_clip_does(files: tuple[Path, Path, torch.nn.Module]) -> None:
    config, weights, model = files
    extractor = EXTRACTORS["shapes-clip"](config, weights, tokenizer)
    images, texts = noise(5, 32, 32, 3), ["a red circle", "moon", "", "x", "a blue star above"]
    pixels = torch.tensor(images).permute(0, 3, 1, 2) / 255
    mean, std = (torch.tensor(PREPROCESS_CFG[key]).view(3, 1, 1) for key in ("mean", "std"))
    with torch.no_grad():
        expected_images = model.encode_image((pixels - mean) / std)
        expected_texts = model.encode_text(tokenizer(texts))
    assert extractor.name == "shapes-clip"
    assert extractor.dim == 16
    for features, expected in (
        (extractor.images(images), expected_images),
        (extractor.texts(texts), expected_texts),
    ):
        assert features.dtype == np.float32
        np.testing.assert_allclose(features, expected.numpy(), rtol=1e-4, atol=1e-5)


def test_features_do_not_depend_on_the_batch(files: tuple[Path, Path, torch.nn.Module]) -> None:
    extractor = EXTRACTORS["shapes-clip"](*files[:2], tokenizer)
    images = noise(6, 32, 32, 3)
    singly = np.concatenate([extractor.images(images[i : i + 1]) for i in range(6)])
    np.testing.assert_allclose(extractor.images(images), singly, atol=1e-5)


def test_the_digest_is_of_the_weights_not_of_the_file(
    files: tuple[Path, Path, torch.nn.Module], tmp_path: Path
) -> None:
    config, weights, model = files
    digest = EXTRACTORS["shapes-clip"](config, weights, tokenizer).digest
    assert len(digest) == 64
    state = {name: tensor.contiguous() for name, tensor in model.state_dict().items()}
    other_container = tmp_path / "float32.safetensors"
    save_file(state, other_container)
    assert EXTRACTORS["shapes-clip"](config, other_container, tokenizer).digest == digest
    state["logit_scale"] = state["logit_scale"] + 1
    save_file(state, other_container)
    assert EXTRACTORS["shapes-clip"](config, other_container, tokenizer).digest != digest


def drop_weights(config: Path, weights: Path) -> None:
    weights.unlink()


def cut_weights(config: Path, weights: Path) -> None:
    weights.write_bytes(weights.read_bytes()[:100])


def widen_config(config: Path, weights: Path) -> None:
    config.write_text(config.read_text().replace('"embed_dim": 16', '"embed_dim": 24'))


def break_json(config: Path, weights: Path) -> None:
    config.write_text("{")


def forget_preprocessing(config: Path, weights: Path) -> None:
    config.write_text(json.dumps({"model_cfg": MODEL_CFG}))


def misspell_a_key(config: Path, weights: Path) -> None:
    config.write_text(config.read_text().replace("patch_size", "patchsize"))


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (drop_weights, "clip.safetensors does not exist"),
        (cut_weights, "clip.safetensors does not fit"),
        (widen_config, "clip.safetensors does not fit"),
        (break_json, "clip.json is not an open_clip config"),
        (forget_preprocessing, "clip.json is not an open_clip config"),
        (misspell_a_key, "clip.json is not an open_clip config"),
    ],
)
def test_wrong_files_get_one_line(
    files: tuple[Path, Path, torch.nn.Module], damage: Callable[[Path, Path], None], words: str
) -> None:
    config, weights, _ = files
    damage(config, weights)
    with pytest.raises(MetricsError, match=words) as caught:
        EXTRACTORS["shapes-clip"](config, weights, tokenizer)
    assert "\n" not in str(caught.value)


def test_published_clips_load_by_path_with_their_own_tokenizer(tmp_path: Path) -> None:
    """The way of clip-vit-l-14 (1.7 GB), on a small model under open_clip's own format."""
    text_cfg = {**MODEL_CFG["text_cfg"], "context_length": 77, "vocab_size": 49408}
    config = tmp_path / "tiny-test-clip.json"
    config.write_text(json.dumps({**MODEL_CFG, "text_cfg": text_cfg}))
    open_clip.add_model_config(config)
    torch.manual_seed(0)
    model = open_clip.CLIP(**{**MODEL_CFG, "text_cfg": text_cfg}).eval()
    weights = tmp_path / "tiny.pt"
    torch.save(model.state_dict(), weights)

    extractor = pretrained_clip("tiny", "tiny-test-clip", weights, "cpu")
    images, texts = noise(2, 50, 40, 3), ["a cat", "word " * 200]
    transform = open_clip.image_transform(32, is_train=False)
    tokens = open_clip.get_tokenizer("tiny-test-clip")(texts)
    assert (tokens.max(dim=1).values == 49407).all(), "a cut prompt keeps its end token"
    from PIL import Image

    with torch.no_grad():
        expected = model.encode_image(torch.stack([transform(Image.fromarray(image)) for image in images]))
        expected_texts = model.encode_text(tokens)
    np.testing.assert_allclose(extractor.images(images), expected, atol=1e-5)
    np.testing.assert_allclose(extractor.texts(texts), expected_texts, atol=1e-5)


def test_clip_weights_that_are_not_there_get_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(MetricsError, match=r"clip-vit-l-14: the weights .*none.pt do not exist"):
        EXTRACTORS["clip-vit-l-14"](tmp_path / "none.pt")

    asked = []

    def offline(architecture: str, **settings: object) -> None:
        asked.append(architecture)
        raise RuntimeError("no route to the hub\nand a long story")

    monkeypatch.setattr(open_clip, "create_model", offline)
    with pytest.raises(MetricsError, match=r"no route to the hub.*give the file by path") as caught:
        EXTRACTORS["clip-vit-l-14"]()
    assert "\n" not in str(caught.value)
    assert open_clip.get_model_config(asked[0])["quick_gelu"], "OpenAI's weights want QuickGELU"


def test_inception_computes_what_torch_fidelity_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from torch_fidelity import feature_extractor_inceptionv3 as port

    torch.manual_seed(0)
    with monkeypatch.context() as patch:  # random weights in place of the published ones
        patch.setattr(port, "load_state_dict_from_url", lambda *args, **settings: {})
        patch.setattr(port.FeatureExtractorInceptionV3, "load_state_dict", lambda *args: None)
        theirs = port.FeatureExtractorInceptionV3("random", ["2048"])
    weights = tmp_path / "inception.pth"
    torch.save(theirs.state_dict(), weights)

    extractor = EXTRACTORS["inception-v3"](weights)
    images = noise(2, 40, 60, 3)
    features = extractor.images(images)
    assert features.shape == (2, extractor.dim) == (2, 2048)
    assert features.dtype == np.float32
    np.testing.assert_allclose(features, theirs(torch.tensor(images).permute(0, 3, 1, 2))[0], atol=1e-6)
    assert features.std() > 0
    with pytest.raises(MetricsError, match="8-bit RGB"):
        extractor.images(images.astype(np.float32))


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
            EXTRACTORS["inception-v3"](path)
        assert "\n" not in str(caught.value)

    def offline(*args: object, **settings: object) -> None:
        assert settings["weights_only"] is True
        raise OSError("no network")

    monkeypatch.setattr(torch.hub, "load_state_dict_from_url", offline)
    with pytest.raises(MetricsError, match=r"torch hub \(give the file by path.*no network"):
        EXTRACTORS["inception-v3"]()
