"""ImageReward: which image people would prefer for a prompt, by a text network that attends to the image.

Xu et al., "ImageReward: learning and evaluating human preferences for text-to-image generation" (2023),
version 1.0: the vision transformer and the text network of BLIP (Li et al. 2022) in one, the output for the
token [CLS] through linear layers to one number, shifted and scaled to mean 0 and deviation 1 over their data.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from metrics.errors import MetricsError
from metrics.features.base import check_weights, module_digest, normalised, one_line
from metrics.features.hub import hub_file
from metrics.features.preference import CLIP_MEAN, CLIP_STD, linear_head
from metrics.networks import NETWORKS
from metrics.preprocess import resize_and_crop

__all__ = ["TEXT", "VISION", "ImageReward", "image_reward", "image_reward_from"]

_NAME = "image-reward"
_VOCABULARY = "bert-base-uncased"
_TOKENS = 35
_MEAN, _DEVIATION = 0.16717362830052426, 1.0333394966054072

VISION: dict[str, Any] = {
    "hidden_size": 1024,
    "intermediate_size": 4096,
    "num_hidden_layers": 24,
    "num_attention_heads": 16,
    "image_size": 224,
    "patch_size": 16,
    "layer_norm_eps": 1e-6,
}
TEXT: dict[str, Any] = {
    "vocab_size": 30524,
    "hidden_size": 768,
    "encoder_hidden_size": 1024,
    "intermediate_size": 3072,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "layer_norm_eps": 1e-12,
}

_ADDED = ["[DEC]", "[ENC]"]
"""BLIP's own tokens, behind BERT's; a prompt may hold them, as it may hold "[SEP]"."""

_RENAMED = {
    "cls_token": "embeddings.class_embedding",
    "pos_embed": "embeddings.position_embedding",
    "patch_embed.proj.": "embeddings.patch_embedding.",
    "blocks.": "encoder.layers.",
    ".attn.qkv.": ".self_attn.qkv.",
    ".attn.proj.": ".self_attn.projection.",
    ".norm1.": ".layer_norm1.",
    ".norm2.": ".layer_norm2.",
}
"""Parts of names in the authors' vision transformer -> in that of transformers."""


@dataclass(frozen=True, eq=False)
class ImageReward:
    """A frozen float32 network from images and prompts to rewards.

    Attributes:
        digest: The sha256 of the weights and of the vocabulary.
        vision: A BlipVisionModel.
        text: A BlipTextModel that attends to the output of ``vision``.
        head: From the text network's output for [CLS] to a number.
        tokenizer: Of the package tokenizers, cutting and padding to 35 tokens.
        device: Where the networks are.
    """

    digest: str
    vision: Any
    text: Any
    head: torch.nn.Module
    tokenizer: Any
    device: str

    @torch.inference_mode()
    def __call__(self, images: NDArray[np.uint8], prompts: Sequence[str]) -> NDArray[np.float64]:
        """Return the rewards [B] of images uint8 [B, H, W, 3] for their B prompts."""
        pixels = resize_and_crop(images, int(self.vision.config.image_size))
        seen = self.vision(pixel_values=normalised(pixels, CLIP_MEAN, CLIP_STD, self.device))
        read = self.tokenizer.encode_batch(list(prompts))
        tokens, mask = (
            torch.tensor([getattr(one, part) for one in read], device=self.device)
            for part in ("ids", "attention_mask")
        )
        joined = self.text(tokens, attention_mask=mask, encoder_hidden_states=seen.last_hidden_state)
        rewards = (self.head(joined.last_hidden_state[:, 0]) - _MEAN) / _DEVIATION
        return np.asarray(rewards[:, 0].cpu(), dtype=np.float64)


def image_reward(
    weights: Path | None = None, vocabulary: Path | None = None, device: str = "cpu"
) -> ImageReward:
    """Build "image-reward" from ImageReward.pt of zai-org/ImageReward and vocab.txt of bert-base-uncased.

    Without paths the files come from the hub's cache or the network. Raises MetricsError if one is
    unavailable, holds more than tensors, or does not fit.
    """
    try:
        weights = weights or _published(_NAME)
        vocabulary = vocabulary or _published(_VOCABULARY)
    except Exception as error:  # the hub client and its sockets raise their own types
        raise MetricsError(f"{_NAME}: cannot fetch the weights ({one_line(error)})") from error
    return image_reward_from(VISION, TEXT, weights, vocabulary, device)


def image_reward_from(
    vision: Mapping[str, Any], text: Mapping[str, Any], weights: Path, vocabulary: Path, device: str
) -> ImageReward:
    """Build transformers' BlipVisionConfig(**vision) and BlipTextConfig(**text) with ``weights``."""
    from transformers import BlipTextConfig, BlipTextModel, BlipVisionConfig, BlipVisionModel

    for path in (weights, vocabulary):
        check_weights(_NAME, path)
    tokenizer = _tokenizer(vocabulary, text["vocab_size"])
    try:
        state = torch.load(weights, map_location="cpu", weights_only=True)
        eye = BlipVisionModel(BlipVisionConfig(**vision))
        eye.load_state_dict({_renamed(key): row for key, row in _part(state, "blip.visual_encoder.").items()})
        reader = BlipTextModel(BlipTextConfig(**text, is_decoder=True), add_pooling_layer=False)
        words = _part(state, "blip.text_encoder.")
        words.pop("embeddings.position_ids", None)  # constant numbers, which older libraries stored
        reader.load_state_dict(words)
        head = linear_head(_part(state, "mlp."))
    except Exception as error:  # pickle and torch raise their own types
        raise MetricsError(f"{_NAME}: cannot load {weights} ({one_line(error)}); check the file") from error
    networks = torch.nn.ModuleDict({"vision": eye, "text": reader, "head": head})
    networks.float().eval().requires_grad_(False)
    digest = hashlib.sha256(f"{module_digest(networks)}\n{tokenizer.to_str()}".encode()).hexdigest()
    networks.to(device)
    return ImageReward(digest, eye, reader, head, tokenizer, device)


def _published(name: str) -> Path:
    return hub_file(str(NETWORKS[name].repository), NETWORKS[name].published)


def _tokenizer(vocabulary: Path, size: int) -> Any:
    """Return BERT's tokenizer with BLIP's tokens; MetricsError unless it has `size` tokens in all."""
    from tokenizers import BertWordPieceTokenizer
    from tokenizers.models import WordPiece

    try:
        tokenizer = BertWordPieceTokenizer(WordPiece.read_file(str(vocabulary)), lowercase=True)
    except Exception as error:  # the library raises its own types, and TypeError without "[CLS]" and "[SEP]"
        why = f"is no vocabulary of BERT ({one_line(error)})"
        raise MetricsError(f"{_NAME}: {vocabulary} {why}; check the file") from error
    tokenizer.add_special_tokens(_ADDED)
    if tokenizer.get_vocab_size() != size:
        raise MetricsError(
            f"{_NAME}: {vocabulary} has {tokenizer.get_vocab_size() - len(_ADDED)} tokens, not the "
            f"{size - len(_ADDED)} of bert-base-uncased; check the file"
        )
    tokenizer.enable_truncation(_TOKENS)
    tokenizer.enable_padding(length=_TOKENS)
    return tokenizer


def _part(state: Mapping[str, torch.Tensor], prefix: str) -> dict[str, torch.Tensor]:
    return {key.removeprefix(prefix): row for key, row in state.items() if key.startswith(prefix)}


def _renamed(key: str) -> str:
    """Return transformers' name of a weight of the vision transformer."""
    for theirs, ours in _RENAMED.items():
        key = key.replace(theirs, ours)
    return f"post_layer{key}" if key.startswith("norm.") else key
