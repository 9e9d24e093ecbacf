"""Feature extractors: from 8-bit images (and prompts) to float32 vectors.

An extractor is a network together with its preprocessing: a network has several entries if values are
published with several ways of resizing. To add one, write a factory and add a line to EXTRACTORS.
"""

from __future__ import annotations

from collections.abc import Callable

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

__all__ = ["EXTRACTORS", "Extractor", "TextExtractor"]

EXTRACTORS: dict[str, Callable[..., Extractor]] = {
    "shapes-clip": clip_from_files,
    "clip-vit-b-32": clip_vit_b_32,
    "clip-vit-l-14": clip_vit_l_14,
    "clip-vit-l-14-336": clip_vit_l_14_336,
    "clip-vit-h-14": clip_vit_h_14,
    "dinov2-vit-l-14": dinov2_vit_l_14,
    "inception-v3": inception_v3,
    "inception-v3-256": inception_v3_256,
    "inception-v3-clean": inception_v3_clean,
}
"""Name -> factory. "shapes-clip" takes (config, weights, tokenizer), the others optionally the path of their
weights; all take ``device``.
"""
