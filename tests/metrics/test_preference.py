"""PickScore, HPS v2.1, LAION's aesthetic score: their authors' formulas on tiny networks."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import pytest
import torch
import transformers
from PIL import Image
from safetensors.torch import save_file
from torchvision.transforms import InterpolationMode
from torchvision.transforms import functional as vision
from transformers import CLIPConfig, CLIPModel

from metrics import PROTOCOLS, MetricsError, evaluate
from metrics.features import EXTRACTORS, preference
from metrics.features.clip import Normalisation
from metrics.features.preference import hps_v2_1, laion_aesthetic_v2, pickscore_from
from tests.metrics.published import published_weights

MEAN, STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
TEXTS = ["a cat", "A Dog, on a roof!", "word " * 200]
PART = {"num_hidden_layers": 2, "num_attention_heads": 2, "hidden_act": "gelu", "projection_dim": 16}
TINY: dict[str, Any] = {
    "projection_dim": 16,
    "logit_scale_init_value": 3.0,
    "text_config": {"hidden_size": 32, "intermediate_size": 64, **PART},
    "vision_config": {
        "hidden_size": 32, "intermediate_size": 64, "patch_size": 8, "image_size": 32, **PART,
    },
}  # fmt: skip
OPEN_CLIP = {
    "embed_dim": 16,
    "vision_cfg": {"image_size": 32, "layers": 1, "width": 32, "head_width": 16, "patch_size": 8},
    "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 1},
}


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, shape, dtype=np.uint8)


def unit(rows: torch.Tensor) -> torch.Tensor:
    return rows / rows.norm(dim=-1, keepdim=True)


def score(protocol: str, extractor: Any, images: np.ndarray) -> np.ndarray | None:
    text = extractor.texts(TEXTS) if hasattr(extractor, "texts") else None
    return evaluate(PROTOCOLS[protocol], generated=extractor.images(images), text=text).per_image


@pytest.fixture(scope="module")
def picked(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, CLIPModel]:
    """A file as that of PickScore, with the numbers of positions that older libraries wrote."""
    torch.manual_seed(0)
    model = CLIPModel(CLIPConfig(**TINY)).eval()
    state = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    state["text_model.embeddings.position_ids"] = torch.arange(77)[None]
    path = tmp_path_factory.mktemp("pickscore") / "tiny.safetensors"
    save_file(state, path)
    return path, model


def test_pickscore_is_the_scaled_cosine_of_transformers(picked: tuple[Path, CLIPModel]) -> None:
    path, model = picked
    images = noise(3, 50, 50, 3)
    # Version 5 of transformers resizes in torch by default, which rounds some pixels differently.
    of_pillow = getattr(transformers, "CLIPImageProcessorPil", transformers.CLIPImageProcessor)
    processor = of_pillow(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32})
    pixels = processor([Image.fromarray(image) for image in images], return_tensors="pt")["pixel_values"]
    # Their processor pads with the end token, open_clip's tokenizer with 0.
    tokens = open_clip.get_tokenizer("ViT-H-14")(TEXTS)
    ends = (tokens == 49407).int().argmax(dim=1)
    tokens[torch.arange(77)[None] > ends[:, None]] = 49407
    with torch.no_grad():
        logits = model(input_ids=tokens, pixel_values=pixels).logits_per_image.diagonal()
    found = score("pickscore", pickscore_from("pickscore", TINY, path, "cpu"), images)
    np.testing.assert_allclose(found, logits, rtol=1e-4)
    assert np.abs(found).max() > 1  # scaled


def test_the_network_of_pickscore_has_the_names_of_the_published_file() -> None:
    assert {"logit_scale", "visual_projection.weight"} <= set(CLIPModel(CLIPConfig(**TINY)).state_dict())
    with torch.device("meta"):
        state = CLIPModel(CLIPConfig(**preference._CLIP_H)).state_dict()
    # The published file has 3.94 GB of float32.
    assert 4 * sum(tensor.numel() for tensor in state.values()) == pytest.approx(3.94e9, rel=1e-2)
    assert "vision_model.encoder.layers.31.self_attn.k_proj.weight" in state
    assert state["text_model.embeddings.token_embedding.weight"].shape == (49408, 1024)


@pytest.mark.parametrize("shape", [(32, 32), (30, 50), (61, 44)])
def test_hps_is_the_cosine_over_padded_images(shape: tuple[int, int], tmp_path: Path) -> None:
    torch.manual_seed(0)
    config, weights = tmp_path / "tiny-hps.json", tmp_path / "tiny.pt"
    config.write_text(json.dumps(OPEN_CLIP))
    open_clip.add_model_config(config)
    model = open_clip.CLIP(**OPEN_CLIP).eval()
    torch.save({"state_dict": model.state_dict()}, weights)
    images, scale = noise(3, *shape, 3), 32 / max(shape)
    pixels = torch.tensor(images).permute(0, 3, 1, 2) / 255
    height, width = round(shape[0] * scale), round(shape[1] * scale)
    pixels = vision.resize(pixels, [height, width], InterpolationMode.BICUBIC, antialias=True)
    pad = 32 - width, 32 - height
    sides = [pad[0] // 2, pad[1] // 2, pad[0] - pad[0] // 2, pad[1] - pad[1] // 2]
    pixels = vision.normalize(vision.pad(pixels, sides, 0), MEAN, STD)
    with torch.no_grad():
        image_rows = unit(model.encode_image(pixels))
        text_rows = unit(model.encode_text(open_clip.get_tokenizer("ViT-H-14")(TEXTS)))
    extractor = hps_v2_1(weights, architecture="tiny-hps")
    assert extractor.normalisation == Normalisation(32, MEAN, STD)
    found = score("hps-v2.1", extractor, images)
    np.testing.assert_allclose(found, (image_rows * text_rows).sum(dim=1), atol=1e-5)


@pytest.fixture
def head(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, torch.nn.Sequential]:
    """The head as its authors define and save it, behind a network that returns pixels."""

    class Pixels:
        digest = "pixels"

        def images(self, images: np.ndarray) -> np.ndarray:
            return images.reshape(len(images), -1).astype(np.float32)

    monkeypatch.setattr(preference, "published_clip", lambda name, weights, device: Pixels())
    torch.manual_seed(0)
    linear, dropout = torch.nn.Linear, torch.nn.Dropout
    layers = torch.nn.Sequential(
        linear(768, 1024), dropout(0.2), linear(1024, 128), dropout(0.2), linear(128, 64), dropout(0.1),
        linear(64, 16), linear(16, 1),
    )  # fmt: skip
    path = tmp_path / "head.pth"
    torch.save({f"layers.{name}": tensor for name, tensor in layers.state_dict().items()}, path)
    return path, layers.eval()


def test_the_aesthetic_score_is_linear_in_features_of_length_one(
    head: tuple[Path, torch.nn.Sequential],
) -> None:
    path, layers = head
    images = noise(3, 16, 16, 3)
    with torch.no_grad():
        expected = layers(unit(torch.tensor(images).reshape(3, -1).float()))
    found = score("laion-aesthetic-v2", laion_aesthetic_v2(path), images)
    np.testing.assert_allclose(found, expected[:, 0], atol=1e-6)


def test_wrong_files_get_one_line(head: tuple[Path, torch.nn.Sequential], tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.pth"
    builders = {
        "laion-aesthetic-v2": laion_aesthetic_v2,
        "hps-v2.1": partial(hps_v2_1, architecture="ViT-S-32"),  # small, built at once
        "pickscore": EXTRACTORS["pickscore"].build,
    }
    for content in (b"", b"<html>", b"no weights"):
        wrong.write_bytes(content)
        for name, build in builders.items():
            with pytest.raises(MetricsError, match=rf"^{name}: .*") as caught:
                build(wrong)
            assert "\n" not in str(caught.value)
    with pytest.raises(MetricsError, match="laion-aesthetic-v2: give the path of its weights, https://"):
        laion_aesthetic_v2()
    torch.save({"layers.0.weight": torch.zeros(2, 2)}, wrong)
    with pytest.raises(MetricsError, match=r"laion-aesthetic-v2: cannot load .*wrong\.pth .*check the file"):
        laion_aesthetic_v2(wrong)


@pytest.mark.weights
@pytest.mark.parametrize("name", ["pickscore", "hps-v2.1", "laion-aesthetic-v2"])
def test_published_weights_load_and_tell_noise_from_a_plain_image(name: str) -> None:
    paths = [published_weights(name)]
    if name == "laion-aesthetic-v2":
        paths.append(published_weights("clip-vit-l-14"))
    extractor = EXTRACTORS[name].build(*paths)
    assert extractor.dim == EXTRACTORS[name].dim
    images = np.stack([noise(224, 224, 3), np.full((224, 224, 3), 200, np.uint8), noise(224, 224, 3) // 2])
    found = score(name, extractor, images)
    assert found is not None
    assert np.ptp(found) > 0
