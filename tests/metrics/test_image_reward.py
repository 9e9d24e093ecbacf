"""ImageReward: the rewards that its authors' package gives with small random weights, stored as a golden."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import BlipTextConfig, BlipTextModel, BlipVisionConfig, BlipVisionModel

from metrics import MetricsError
from metrics.features.image_reward import TEXT, VISION, ImageReward, image_reward, image_reward_from
from tests.metrics.published import published_weights

GOLDEN = json.loads(
    (Path(__file__).parents[1] / "goldens" / "metrics" / "image-reward.json").read_text(encoding="utf-8")
)
SMALL_VISION = {**VISION, **GOLDEN["vision"]}
SMALL_TEXT = {
    **TEXT,
    **GOLDEN["text"],
    "encoder_hidden_size": SMALL_VISION["hidden_size"],
    # Of the small vocabulary, else transformers logs that they are not in it; nothing reads them.
    "bos_token_id": 30,
    "sep_token_id": 3,
}


def weight(name: str, shape: list[int]) -> torch.Tensor:
    """A weight as the golden's README defines it."""
    usual = 2 / np.sqrt(shape[-1]) if len(shape) > 1 else 0.2
    scale = next((scale for part, scale in GOLDEN["scales"].items() if part in name), usual)
    values = np.random.default_rng(list(name.encode())).normal(0, scale, shape)
    return torch.tensor(values + (len(shape) == 1 and name.endswith("weight")), dtype=torch.float32)


def picture(number: int) -> np.ndarray:
    height, width = GOLDEN["shapes"][number]
    shape = (height // 8 + 1, width // 8 + 1, 3)
    pixels = np.random.default_rng(number).integers(0, 256, shape, dtype=np.uint8)
    return pixels.repeat(8, 0).repeat(8, 1)[:height, :width]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Weights as the authors' file names them, and a vocabulary."""
    folder = tmp_path_factory.mktemp("image-reward")
    weights, vocabulary = folder / "small.pt", folder / "vocab.txt"
    state = {name: weight(name, shape) for name, shape in GOLDEN["weights"].items()}
    state["blip.text_encoder.embeddings.position_ids"] = torch.arange(40)[None]
    torch.save(state, weights)
    vocabulary.write_text("\n".join(GOLDEN["tokens"]) + "\n", encoding="utf-8")
    return weights, vocabulary


@pytest.fixture(scope="module")
def small(files: tuple[Path, Path]) -> ImageReward:
    return image_reward_from(SMALL_VISION, SMALL_TEXT, *files, "cpu")


def test_rewards_are_those_of_the_published_code(small: ImageReward) -> None:
    """Of images in any shape, and of prompts with capitals, accents, unknown words, none, and too many."""
    found = [small(picture(i)[None], [prompt])[0] for i, prompt in enumerate(GOLDEN["prompts"])]
    np.testing.assert_allclose(found, GOLDEN["rewards"], rtol=2e-5)


def test_tokens_are_those_of_the_published_code(small: ImageReward) -> None:
    assert [one.ids for one in small.tokenizer.encode_batch(GOLDEN["prompts"])] == GOLDEN["ids"]


def test_a_batch_gives_each_pair_its_own_reward(small: ImageReward) -> None:
    images, prompts = np.stack([picture(0), picture(3)]), GOLDEN["prompts"][:4:3]
    found = small(images, prompts)
    np.testing.assert_allclose(found, [GOLDEN["rewards"][0], GOLDEN["rewards"][3]], rtol=2e-5)
    crossed = small(images[[1, 0]], prompts)
    assert np.abs(crossed[:, None] - found).min() > 1


def test_the_networks_have_the_size_of_the_published_file() -> None:
    with torch.device("meta"):
        eye = BlipVisionModel(BlipVisionConfig(**VISION))
        reader = BlipTextModel(BlipTextConfig(**TEXT, is_decoder=True), add_pooling_layer=False)
    numbers = sum(row.numel() for network in (eye, reader) for row in network.parameters())
    head = {name: shape for name, shape in GOLDEN["weights"].items() if name.startswith("mlp.")}
    unused = (1024 + 1) * 256 + (768 + 1) * 256  # projections of BLIP to a shared space
    # The published file has 1.79 GB of float32.
    assert 4 * (numbers + sum(map(np.prod, head.values())) + unused) == pytest.approx(1.79e9, abs=5e6)


def test_the_digest_is_of_weights_and_vocabulary(
    small: ImageReward, files: tuple[Path, Path], tmp_path: Path
) -> None:
    state = torch.load(files[0], weights_only=True)
    state["mlp.layers.7.bias"] += 1
    torch.save(state, tmp_path / "other.pt")
    (tmp_path / "vocab.txt").write_text(files[1].read_text().replace("roof", "wall"))
    others = [(tmp_path / "other.pt", files[1]), (files[0], tmp_path / "vocab.txt")]
    digests = {image_reward_from(SMALL_VISION, SMALL_TEXT, *other, "cpu").digest for other in others}
    assert len(digests | {small.digest}) == 3


def test_wrong_files_get_one_line(files: tuple[Path, Path], tmp_path: Path) -> None:
    wrong = tmp_path / "wrong"
    with pytest.raises(MetricsError, match=r"^image-reward: the weights .*wrong do not exist$"):
        image_reward(wrong, files[1])
    for content in (b"", b"<html>", b"no weights", b"\xff\xfe"):
        wrong.write_bytes(content)
        for weights, vocabulary in ((wrong, files[1]), (files[0], wrong)):
            with pytest.raises(MetricsError, match=r"^image-reward: [^\n]*wrong[^\n]*$"):
                image_reward_from(SMALL_VISION, SMALL_TEXT, weights, vocabulary, "cpu")
    wrong.write_text("\n".join(GOLDEN["tokens"][:-1]))
    with pytest.raises(MetricsError, match=r"wrong has 29 tokens, not the 30 of bert-base-uncased"):
        image_reward_from(SMALL_VISION, SMALL_TEXT, files[0], wrong, "cpu")
    torch.save({"mlp.layers.0.weight": torch.zeros(2, 2)}, wrong)
    with pytest.raises(MetricsError, match=r"cannot load .*wrong .*check the file$"):
        image_reward_from(SMALL_VISION, SMALL_TEXT, wrong, files[1], "cpu")


@pytest.mark.weights
def test_published_weights_prefer_the_prompt_that_fits() -> None:
    network: Any = image_reward(published_weights("image-reward"), published_weights("bert-base-uncased"))
    red = np.full((224, 224, 3), (220, 20, 20), np.uint8)
    fits, fails = network(np.stack([red, red]), ["a plain red square", "a photo of a dog on a beach"])
    assert fits > fails
