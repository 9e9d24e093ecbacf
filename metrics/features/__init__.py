"""Feature extractors: from 8-bit images (and prompts) to float32 vectors.

An extractor is a network together with its preprocessing: a network has several entries if values are
published with several ways of resizing. To add one, write it in a new file and add an entry to EXTRACTORS.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from metrics.features.base import Extractor, TextExtractor
from metrics.features.clip import (
    clip_from_files,
    clip_vit_b_32,
    clip_vit_h_14,
    clip_vit_l_14,
    clip_vit_l_14_336,
)
from metrics.features.dinov2 import dinov2_vit_l_14
from metrics.features.inception import inception_v3, inception_v3_256, inception_v3_clean

__all__ = ["EXTRACTORS", "Extractor", "Factory", "TextExtractor"]


@dataclass(frozen=True)
class Factory:
    """How to build an extractor, and what is known before it is built.

    Attributes:
        build: Takes an optional path of the weights and ``device``; "shapes-clip" takes (config, weights,
            tokenizer) and ``device``.
        dim: Length of a feature vector.
        weights: Name of the file in the folder of weights; None: no file is needed.
        reads_text: Whether it is a TextExtractor.
    """

    build: Callable[..., Extractor]
    dim: int
    weights: str | None = None
    reads_text: bool = False


# Files are named after their hub repositories, where all CLIPs have the same file name (docs/protocols.md).
# OpenAI's own .pt files are programs, not tensors.
_INCEPTION = "weights-inception-2015-12-05-6726825d.pth"

EXTRACTORS: dict[str, Factory] = {
    "shapes-clip": Factory(clip_from_files, 64, reads_text=True),
    "clip-vit-b-32": Factory(
        clip_vit_b_32, 512, "vit_base_patch32_clip_224.openai.safetensors", reads_text=True
    ),
    "clip-vit-l-14": Factory(
        clip_vit_l_14, 768, "vit_large_patch14_clip_224.openai.safetensors", reads_text=True
    ),
    "clip-vit-l-14-336": Factory(
        clip_vit_l_14_336, 768, "vit_large_patch14_clip_336.openai.safetensors", reads_text=True
    ),
    "clip-vit-h-14": Factory(
        clip_vit_h_14, 1024, "CLIP-ViT-H-14-laion2B-s32B-b79K.safetensors", reads_text=True
    ),
    "dinov2-vit-l-14": Factory(dinov2_vit_l_14, 1024, "dinov2-large.safetensors"),
    "inception-v3": Factory(inception_v3, 2048, _INCEPTION),
    "inception-v3-256": Factory(inception_v3_256, 2048, _INCEPTION),
    "inception-v3-clean": Factory(inception_v3_clean, 2048, _INCEPTION),
}
