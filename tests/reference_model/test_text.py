"""Tokenizer and text encoder against the original and against transformers."""

from __future__ import annotations

import json

import pytest
import torch
from transformers import CLIPTextConfig, CLIPTextModel

from reference_model.shapes.captions import VOCABULARY
from reference_model.shapes.family import CONFIG, load_tokenizer
from reference_model.shapes.merges import learn_merges
from reference_model.tokenizer import read_merges

from .conftest import GOLDENS

PROMPTS = json.loads((GOLDENS / "tiny" / "prompts.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("row", range(len(PROMPTS)))
def test_token_ids_are_the_original_ones(tiny, goldens, row):
    assert torch.equal(tiny.tokenizer([PROMPTS[row]])[0], goldens["tok/ids"][row].long())


@pytest.mark.parametrize("row", range(len(PROMPTS)))
def test_token_ids_of_the_fast_tokenizer(tiny, goldens, row):
    """It skips ftfy's repairs, so its ids differ for some prompts, which the goldens list."""
    agrees = torch.equal(tiny.tokenizer([PROMPTS[row]])[0], goldens["tok/ids_fast"][row])
    assert agrees == bool(goldens["tok/fast_agrees"][row])


def test_token_ids_are_those_of_open_clip(tiny, goldens):
    """Up to the end token; open_clip pads with zeros."""
    from open_clip.tokenizer import SimpleTokenizer

    ours, theirs = tiny.tokenizer(PROMPTS), SimpleTokenizer()(PROMPTS)
    agrees = goldens["tok/open_clip_agrees"]
    assert agrees.sum() == len(PROMPTS) - 1  # end tokens within a prompt
    for a, b in zip(ours[agrees], theirs[agrees], strict=True):
        end = a.tolist().index(tiny.tokenizer.end)
        assert torch.equal(a[: end + 1], b[: end + 1])
        assert not b[end + 1 :].any()


def test_long_prompts_keep_their_end_token(tiny):
    ids = tiny.tokenizer(["cat " * 200])
    assert ids.shape == (1, 77)
    assert ids[0, -1] == tiny.tokenizer.end


def test_no_prompts_give_no_rows(tiny):
    assert tiny.tokenizer([]).shape == (0, 77)


def test_text_embeddings_are_the_original_ones(tiny, goldens):
    prompts = [PROMPTS[i] for i in goldens["clip/prompt_index"].tolist()]
    torch.testing.assert_close(tiny.encode_prompts(prompts), goldens["clip/embeddings"], rtol=0, atol=2e-5)


def test_text_encoder_equals_transformers(tiny):
    """The same weights in an independent implementation."""
    config = CLIPTextConfig.from_pretrained(GOLDENS / "tiny" / "clip-text-tiny")
    peer = CLIPTextModel(config).eval()
    wanted = peer.state_dict()
    state = {
        (name if name in wanted else name.removeprefix("text_model.")): value
        for name, value in tiny.cond_stage_model.transformer.state_dict().items()
        if not name.endswith("position_ids")
    }
    missing, unexpected = peer.load_state_dict(state, strict=False)
    assert not unexpected
    assert all(name.endswith("position_ids") for name in missing)
    tokens = tiny.tokenizer(PROMPTS)
    theirs = peer(tokens).last_hidden_state
    torch.testing.assert_close(tiny.cond_stage_model(tokens), theirs, rtol=0, atol=2e-5)


def test_family_vocabulary_has_a_token_for_every_word():
    tokenizer = load_tokenizer()
    assert all(len(tokenizer.encode(word)) == 1 for word in VOCABULARY)
    assert read_merges(CONFIG.parent / "text" / "merges.txt") == learn_merges(VOCABULARY)
