"""Extractors: small or random-weight networks saved to disk, against the libraries they wrap."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

import metrics.features.clip as module
from metrics import PROTOCOLS, MetricsError, evaluate
from metrics.features import EXTRACTORS
from metrics.features.clip import ClipExtractor, pretrained_clip
from metrics.features.hub import hub_file
from metrics.networks import NETWORKS
from metrics.preprocess import crop_and_resize
from tests.metrics.published import published_weights

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
    extractor = EXTRACTORS["shapes-clip"].build(config, weights, tokenizer)
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
    extractor = EXTRACTORS["shapes-clip"].build(*files[:2], tokenizer)
    images = noise(6, 32, 32, 3)
    singly = np.concatenate([extractor.images(images[i : i + 1]) for i in range(6)])
    np.testing.assert_allclose(extractor.images(images), singly, atol=1e-5)


def test_the_digest_is_of_the_weights_not_of_the_file(
    files: tuple[Path, Path, torch.nn.Module], tmp_path: Path
) -> None:
    config, weights, model = files
    digest = EXTRACTORS["shapes-clip"].build(config, weights, tokenizer).digest
    assert len(digest) == 64
    state = {name: tensor.contiguous() for name, tensor in model.state_dict().items()}
    other_container = tmp_path / "float32.safetensors"
    save_file(state, other_container)
    assert EXTRACTORS["shapes-clip"].build(config, other_container, tokenizer).digest == digest
    state["logit_scale"] = state["logit_scale"] + 1
    save_file(state, other_container)
    assert EXTRACTORS["shapes-clip"].build(config, other_container, tokenizer).digest != digest


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
        EXTRACTORS["shapes-clip"].build(config, weights, tokenizer)
    assert "\n" not in str(caught.value)


@pytest.fixture(
    params=["tiny", *(pytest.param(name, marks=pytest.mark.weights) for name in module.PUBLISHED)]
)
def clip(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[ClipExtractor, str, Path]:
    """Return extractor, architecture and weights: of a small random CLIP of 77 tokens, or a real one."""
    if request.param != "tiny":
        weights = published_weights(request.param)
        return EXTRACTORS[request.param].build(weights), module.PUBLISHED[request.param], weights  # type: ignore[return-value]
    text_cfg = {**MODEL_CFG["text_cfg"], "context_length": 77, "vocab_size": 49408}
    config, weights = tmp_path / "tiny-test-clip.json", tmp_path / "tiny.pt"
    config.write_text(json.dumps({**MODEL_CFG, "text_cfg": text_cfg}))
    open_clip.add_model_config(config)
    torch.manual_seed(0)
    torch.save(open_clip.CLIP(**{**MODEL_CFG, "text_cfg": text_cfg}).state_dict(), weights)
    return pretrained_clip("tiny", "tiny-test-clip", weights, "cpu"), "tiny-test-clip", weights


def test_clip_scores_are_those_of_open_clip_itself(clip: tuple[ClipExtractor, str, Path]) -> None:
    extractor, architecture, weights = clip
    images, texts = noise(3, 50, 50, 3), ["a cat", "a dog on a roof", "word " * 200]
    model, _, transform = open_clip.create_model_and_transforms(architecture, pretrained=str(weights))
    with torch.no_grad():
        pixels = torch.stack([transform(Image.fromarray(image)) for image in images])
        image_features = model.eval().encode_image(pixels)
        text_features = model.encode_text(open_clip.get_tokenizer(architecture)(texts))
    expected = torch.nn.functional.cosine_similarity(image_features, text_features)
    found = {"generated": extractor.images(images), "text": extractor.texts(texts)}
    raw = evaluate(PROTOCOLS["clip-score-vit-l-14"], **found)
    np.testing.assert_allclose(raw.per_image, expected, atol=1e-5)
    scaled = evaluate(PROTOCOLS["clip-score-x100-vit-l-14"], **found)
    assert scaled.value == pytest.approx(100 * max(float(expected.mean()), 0), abs=1e-3)


def test_a_prompt_of_more_than_77_tokens_keeps_its_end_token(clip: tuple[ClipExtractor, str, Path]) -> None:
    extractor = clip[0]
    tokens = extractor.tokenizer(["word " * 200, "word"])
    assert tokens.shape == (2, 77)
    assert tokens[0, -1] == 49407
    # What stands behind the cut does not count, what stands before it does.
    cut, same, other = extractor.texts(["word " * 200, "word " * 75, "word " * 74 + "cat"])
    np.testing.assert_allclose(cut, same, atol=1e-5)
    assert not np.allclose(cut, other, atol=1e-5)


def test_the_clip_of_cmmd_crops_before_it_resizes(
    clip: tuple[ClipExtractor, str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = clip[0]
    monkeypatch.setattr(module, "pretrained_clip", lambda name, *others: replace(plain, name=name))
    extractor = EXTRACTORS["clip-vit-l-14-336"].build(clip[2])
    images, size = noise(2, 45, 71, 3), plain.normalisation.size
    assert extractor.name == "clip-vit-l-14-336"
    features = extractor.images(images)
    np.testing.assert_allclose(features, plain.images(crop_and_resize(images, size)), atol=1e-6)


def test_clip_weights_that_are_not_there_get_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def offline(repository: str, file: str) -> Path:
        raise OSError(f"no route to {repository}\nand a long story")

    monkeypatch.setattr(module, "hub_file", offline)
    for name in module.PUBLISHED:
        repository = NETWORKS[name].repository
        for weights, words in (
            (None, f"no route to {repository}; without a network, pass the path of the file"),
            (tmp_path / "none", "the weights .*none do not exist"),
        ):
            with pytest.raises(MetricsError, match=f"{name}: .*{words}") as caught:
                EXTRACTORS[name].build(weights)
            assert "\n" not in str(caught.value)


def test_a_file_that_holds_no_weights_gets_one_line(
    clip: tuple[ClipExtractor, str, Path], tmp_path: Path
) -> None:
    (tmp_path / "wrong").write_bytes(b"no weights")
    with pytest.raises(MetricsError, match=r"tiny: cannot load .*wrong .*check the file") as caught:
        pretrained_clip("tiny", clip[1], tmp_path / "wrong", "cpu")
    assert "\n" not in str(caught.value)


def test_openais_weights_get_quickgelu_and_laions_do_not() -> None:
    for name, architecture in module.PUBLISHED.items():
        repository = str(NETWORKS[name].repository)
        quick = open_clip.get_model_config(architecture).get("quick_gelu", False)
        assert quick == repository.endswith(".openai"), name


def test_a_file_of_the_hub_comes_from_its_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.try_to_load_from_cache", lambda *names: str(tmp_path))
    assert hub_file("org/name", "file") == tmp_path

    def offline(self: object, repository: str) -> None:
        raise OSError(f"{repository} cannot be reached")

    monkeypatch.setattr("huggingface_hub.try_to_load_from_cache", lambda *names: None)
    monkeypatch.setattr("huggingface_hub.HfApi.model_info", offline)
    with pytest.raises(OSError, match="org/name cannot be reached"):
        hub_file("org/name", "file")
