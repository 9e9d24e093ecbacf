"""The embedded model family: a small latent diffusion model of captioned scenes, and its data."""

from __future__ import annotations

from reference_model.shapes.dataset import evaluation_prompts, reference_set
from reference_model.shapes.family import CHECKPOINTS, CLIP_CONFIG, CLIP_WEIGHTS, CONFIG, load_tokenizer

__all__ = [
    "CHECKPOINTS",
    "CLIP_CONFIG",
    "CLIP_WEIGHTS",
    "CONFIG",
    "evaluation_prompts",
    "load_tokenizer",
    "reference_set",
]
