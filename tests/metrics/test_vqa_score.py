"""VQAScore: the probability of an answer by a tiny model of random weights, computed by hand."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import (
    CLIPImageProcessor,
    CLIPVisionConfig,
    LlamaConfig,
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaProcessor,
    PreTrainedTokenizerFast,
)

from metrics import MetricsError
from metrics.vqa_score import VqaScore
from sdbench.scoring.extract import Beside, image_features
from sdbench.scoring.extractors import build_extractor
from sdbench.scoring.protocols import protocol_of

WORDS = ["<pad>", "<unk>", "<image>", "USER", "ASSISTANT", ":", "Does", "this", "figure", "show", '"', "?"]
WORDS += ["Please", "answer", "yes", "or", "no", ".", "a", "red", "blue", "circle", "Yes", "No"]
TEMPLATE = (
    "{% for message in messages %}USER : {% for part in message.content %}"
    "{% if part.type == 'image' %}<image> {% else %}{{ part.text }}{% endif %}"
    "{% endfor %} ASSISTANT :{% endfor %}"
)
PROMPTS = ["a red circle", "a blue circle"]
IMAGES = np.random.default_rng(0).integers(0, 256, (2, 40, 40, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model with its processor, as the hub keeps them."""
    words = Tokenizer(models.WordLevel({word: place for place, word in enumerate(WORDS)}, unk_token="<unk>"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=words,
        pad_token="<pad>",
        unk_token="<unk>",
        extra_special_tokens={"image_token": "<image>"},
    )
    size = {"height": 16, "width": 16}
    processor = LlavaProcessor(
        CLIPImageProcessor(size={"shortest_edge": 16}, crop_size=size),
        tokenizer,
        patch_size=8,
        vision_feature_select_strategy="default",
        chat_template=TEMPLATE,
        num_additional_image_tokens=1,
    )
    layers = {"num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    config = LlavaConfig(
        vision_config=CLIPVisionConfig(
            hidden_size=8, image_size=16, patch_size=8, projection_dim=8, **layers
        ),
        text_config=LlamaConfig(hidden_size=8, vocab_size=len(WORDS), **layers),
        image_token_index=2,
        vision_feature_layer=-1,
    )
    torch.manual_seed(0)
    model = LlavaForConditionalGeneration(config)
    with torch.no_grad():
        model.lm_head.weight.mul_(40)  # answers that are not all alike
    path = tmp_path_factory.mktemp("llava")
    model.save_pretrained(path)
    processor.save_pretrained(path)
    return path


def test_the_score_is_the_probability_of_yes_after_the_question(folder: Path) -> None:
    model = LlavaForConditionalGeneration.from_pretrained(folder).eval()
    processor = LlavaProcessor.from_pretrained(folder)
    expected = []
    for image, prompt in zip(IMAGES, PROMPTS, strict=True):
        asked = f'USER : <image> Does this figure show "{prompt}"? Please answer yes or no. ASSISTANT :'
        inputs = processor(images=Image.fromarray(image), text=asked, return_tensors="pt")
        with torch.no_grad():
            logits = model(**inputs).logits[0, -1]
        expected.append(float(logits.softmax(0)[WORDS.index("Yes")]))
    found = VqaScore(str(folder))(IMAGES, PROMPTS)
    assert found == pytest.approx(expected, rel=1e-5)
    assert len(set(expected)) == 2
    other = VqaScore(str(folder), answer="No")(IMAGES, PROMPTS)
    assert not np.isclose(other, found).any()
    assert (other + found <= 1).all()


def test_a_spec_names_it_with_its_model(folder: Path) -> None:
    name = f"metrics.vqa_score:VqaScore?model={folder}"
    protocol = protocol_of(name)
    assert protocol.needs_prompts
    assert protocol.formula.better == "higher"
    extractor = build_extractor(protocol.extractor, "cpu")
    found = image_features({protocol.extractor: extractor}, [IMAGES], Beside(PROMPTS))[protocol.extractor]
    np.testing.assert_allclose(found[:, 0], VqaScore(str(folder))(IMAGES, PROMPTS), rtol=1e-6)


def test_models_that_are_not_there_or_of_another_kind_get_one_line(folder: Path, tmp_path: Path) -> None:
    changed = Path(shutil.copytree(folder, tmp_path / "model"))
    digest = VqaScore(str(folder)).digest
    assert VqaScore(str(changed)).digest == digest
    (changed / "chat_template.jinja").write_text(TEMPLATE + " ")
    assert VqaScore(str(changed)).digest != digest
    (changed / "chat_template.jinja").unlink()
    cases = {str(changed): "has no chat template: choose one that follows instructions"}
    broken = Path(shutil.copytree(folder, tmp_path / "broken"))
    (broken / "model.safetensors").write_bytes(b"no weights")
    cases[str(broken)] = "cannot be loaded"
    empty = Path(shutil.copytree(folder, tmp_path / "empty"))
    (empty / "model.safetensors").rename(empty / "pytorch_model.bin")
    cases[str(empty)] = "holds no .safetensors, and no other weights are read"
    cases["nobody/nothing"] = "neither a folder nor a model in the hub's cache .* hf download nobody/nothing"
    for model, words in cases.items():
        with pytest.raises(MetricsError, match=words) as caught:
            VqaScore(model)
        assert "\n" not in str(caught.value)
