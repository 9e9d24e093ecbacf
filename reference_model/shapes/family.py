"""Where the embedded family's files lie."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from reference_model.config import ModelConfig, TextEncoderConfig
from reference_model.config_file import load_config

if TYPE_CHECKING:
    from reference_model.tokenizer import Tokenizer

__all__ = ["CHECKPOINTS", "CLIP_CONFIG", "CLIP_WEIGHTS", "CONFIG", "load_family_config", "load_tokenizer"]

HERE = Path(__file__).parent
CONFIG = HERE / "config" / "shapes-v1.yaml"
CLIP_CONFIG = HERE / "config" / "shapes-clip.json"
CLIP_WEIGHTS = HERE / "weights" / "shapes-clip.safetensors"
CHECKPOINTS: dict[str, Path] = {
    name: HERE / "weights" / f"{name}.safetensors"
    for name in ("shapes-v1-1", "shapes-v1-2", "shapes-v1-3", "shapes-v1-4")
}


def load_family_config() -> ModelConfig:
    """The configuration that all four checkpoints share."""
    return load_config(CONFIG)


@lru_cache(maxsize=1)
def load_tokenizer() -> Tokenizer:
    """CLIP's tokenizer with the family's own small vocabulary: prompts -> int64 [B, 24]."""
    from reference_model.tokenizer import Tokenizer, read_merges  # here, since it needs torch

    text = load_family_config().text_encoder
    assert isinstance(text, TextEncoderConfig)
    assert text.merges is not None
    return Tokenizer(read_merges(text.merges), text.max_position_embeddings)
