"""The LAION-400M model's text transformer and tokenizer, and the layout of a small checkpoint of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from tokenizers.implementations import BertWordPieceTokenizer
from transformers import BertTokenizer as PeerTokenizer

from reference_model import CheckpointError, LatentDiffusion, hub, load_checkpoint
from reference_model.bert_encoder import BertEncoder
from reference_model.bert_tokenizer import OLDER_NAME, PUBLISHED, BertTokenizer
from reference_model.config import LAION_400M, BertConfig, ModelConfig, UNetConfig
from reference_model.config_file import load_config

from .conftest import GOLDENS, Goldens

WORDS = [
    "[PAD]",
    "[UNK]",
    "[CLS]",
    "[SEP]",
    "[MASK]",
    "a",
    "cat",
    "##s",
    "red",
    "un",
    "##a",
    "##ff",
    "!",
    ",",
    "e",
]
PROMPTS = ["A cat", "  Cats, RED\tcats!! ", "unaff é", "", "zebra cat", "cat " * 100, "[SEP] cat", "猫 cat"]


@pytest.fixture
def vocabulary(tmp_path):
    path = tmp_path / "vocab.txt"
    path.write_text("\n".join(WORDS) + "\n", encoding="utf-8")
    return path


def test_the_encoder_gives_the_original_embeddings():
    goldens = Goldens(GOLDENS / "tiny" / "bert-tiny.npz")
    encoder = BertEncoder(BertConfig(n_embed=32, n_layer=2, vocab_size=64))
    encoder.load_state_dict({name: goldens[f"w/{name}"] for name in encoder.state_dict()})
    torch.testing.assert_close(encoder(goldens["tokens"]), goldens["out"], rtol=0, atol=2e-5)


def test_token_ids_are_worked_out_by_hand(vocabulary):
    ids = BertTokenizer(vocabulary)(["A cat", "Cats, red!", "unaff zebra"])
    assert ids.shape == (3, 77)
    assert ids[:, :7].tolist() == [[2, 5, 6, 3, 0, 0, 0], [2, 6, 7, 13, 8, 12, 3], [2, 9, 10, 11, 1, 3, 0]]
    assert not ids[:, 7:].any()


def test_token_ids_are_those_of_transformers(vocabulary):
    peer = PeerTokenizer(vocab=str(vocabulary))
    theirs = peer(PROMPTS, truncation=True, max_length=77, padding="max_length", return_tensors="pt")
    assert torch.equal(BertTokenizer(vocabulary)(PROMPTS), theirs["input_ids"])


def test_long_prompts_keep_their_end(vocabulary):
    ids = BertTokenizer(vocabulary, context_length=5)(["cat " * 20])
    assert ids.tolist() == [[2, 6, 6, 6, 3]]
    assert BertTokenizer(vocabulary)([]).shape == (0, 77)


@pytest.mark.parametrize("content", [b"a\nb\n", b"\xff\xfe", None])
def test_vocabularies_that_are_none(tmp_path, content):
    if content is not None:
        (tmp_path / "vocab.txt").write_bytes(content)
    with pytest.raises(CheckpointError, match=r"vocab\.txt"):
        BertTokenizer(tmp_path / "vocab.txt")


def test_the_published_vocabulary_comes_from_the_hub_or_its_cache(monkeypatch, vocabulary):
    asked = []
    monkeypatch.setattr(hub.huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(hub.huggingface_hub, "try_to_load_from_cache", lambda *names: asked.append(names))
    with pytest.raises(
        CheckpointError, match="google-bert/bert-base-uncased: HF_HUB_OFFLINE is set"
    ) as caught:
        BertTokenizer()
    assert "\n" not in str(caught.value)
    cached = {PUBLISHED: str(vocabulary)}
    monkeypatch.setattr(hub.huggingface_hub, "try_to_load_from_cache", lambda name, file: cached.get(name))
    assert len(BertTokenizer()) == len(WORDS)
    assert asked == [(name, "vocab.txt") for name in (OLDER_NAME, PUBLISHED)]


@pytest.fixture
def small(vocabulary):
    """A small version of the LAION-400M model."""
    tiny = load_config(GOLDENS / "tiny" / "v1-tiny-full.yaml")
    unet = UNetConfig(
        model_channels=32,
        num_res_blocks=1,
        attention_resolutions=(1,),
        channel_mult=(1, 1),
        context_dim=24,
        num_heads=4,
    )
    text = BertConfig(n_embed=24, n_layer=2, vocab_size=len(WORDS), vocabulary_file=vocabulary)
    return replace(LAION_400M, unet=unet, autoencoder=tiny.autoencoder, text_encoder=text)


def saved(config: ModelConfig, path: Path) -> LatentDiffusion:
    torch.manual_seed(0)
    model = LatentDiffusion(config)
    save_file(model.state_dict(), path)
    return model


def test_a_small_checkpoint_of_that_kind_loads(small, tmp_path):
    model = saved(small, tmp_path / "m.safetensors")
    loaded = load_checkpoint(tmp_path / "m.safetensors", small)
    assert loaded.weights_digest == model.weights_digest
    context = loaded.encode_prompts(["a red cat", ""])
    assert context.shape == (2, 77, 24)
    torch.testing.assert_close(context, model.cond_stage_model(loaded.tokenizer(["a red cat", ""])))


def test_either_kind_is_told_from_the_other(small, tmp_path):
    saved(small, tmp_path / "m.safetensors")
    with pytest.raises(CheckpointError, match="this is the LAION-400M model: use its config"):
        load_checkpoint(tmp_path / "m.safetensors", GOLDENS / "tiny" / "v1-tiny-full.yaml")
    with pytest.raises(CheckpointError, match="the config describes the LAION-400M model"):
        load_checkpoint(GOLDENS / "tiny" / "v1-tiny-full.ckpt", small)


def test_the_vocabulary_must_fit_the_weights(small, tmp_path):
    text = replace(small.text_encoder, vocab_size=9)
    with pytest.raises(CheckpointError, match="the vocabulary has 15 tokens, vocab_size is 9"):
        load_checkpoint(GOLDENS / "tiny" / "v1-tiny-full.ckpt", replace(small, text_encoder=text))


def test_the_digest_sees_the_vocabulary_and_not_its_place(small, tmp_path):
    other = tmp_path / "other.txt"
    other.write_bytes(small.text_encoder.vocabulary_file.read_bytes())
    moved = replace(small, text_encoder=replace(small.text_encoder, vocabulary_file=other))
    assert moved.digest == small.digest != LAION_400M.digest
    other.write_text("[PAD]")
    assert moved.digest != small.digest


def test_the_library_takes_a_vocabulary_as_a_mapping():
    """`BertTokenizer` calls tokenizers' class in this way; this test fails first if the class changes."""
    assert BertWordPieceTokenizer({"[UNK]": 0, "[SEP]": 1, "[CLS]": 2}).encode("x").ids == [2, 0, 1]
