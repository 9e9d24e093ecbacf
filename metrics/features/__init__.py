"""Feature extractors: from 8-bit images (and prompts) to float32 vectors.

To add one, write a module with a factory and add a line to EXTRACTORS.
"""

from __future__ import annotations

from collections.abc import Callable

from metrics.features.base import Extractor, TextExtractor
from metrics.features.clip import clip_from_files, clip_vit_l_14
from metrics.features.inception import inception_v3

__all__ = ["EXTRACTORS", "Extractor", "TextExtractor"]

#: name -> factory. "shapes-clip" takes (config, weights, tokenizer), the others an optional weights path;
#: all take ``device``.
EXTRACTORS: dict[str, Callable[..., Extractor]] = {
    "shapes-clip": clip_from_files,
    "clip-vit-l-14": clip_vit_l_14,
    "inception-v3": inception_v3,
}
