"""The embedded model family: a small latent diffusion model of captioned scenes, and its data."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from reference_model.shapes.dataset import evaluation_prompts, reference_captions, reference_set
    from reference_model.shapes.family import CHECKPOINTS, CLIP_CONFIG, CLIP_WEIGHTS, CONFIG, load_tokenizer

__all__ = [
    "CHECKPOINTS",
    "CLIP_CONFIG",
    "CLIP_WEIGHTS",
    "CONFIG",
    "evaluation_prompts",
    "load_tokenizer",
    "reference_captions",
    "reference_set",
]

_DATASET = ("evaluation_prompts", "reference_captions", "reference_set")


def __getattr__(name: str) -> Any:
    """Import a public name on first use, so that its files are found without torch."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{'dataset' if name in _DATASET else 'family'}"), name)
