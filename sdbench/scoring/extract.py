"""Computes features of images and prompts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import cast

import numpy as np

from metrics import MetricsError
from metrics.features import Extractor, TextExtractor
from sdbench.core.errors import InputError
from sdbench.core.memory import is_out_of_memory

__all__ = ["image_features", "text_features"]

Features = dict[str, np.ndarray]
"""Features float32 [n, d] by extractor name."""


def image_features(extractors: Mapping[str, Extractor], batches: Iterable[np.ndarray]) -> Features:
    """Return the features of all images, given as batches uint8 [B, H, W, 3].

    Raises:
        InputError: An extractor cannot use the images.
    """
    parts: dict[str, list[np.ndarray]] = {name: [] for name in extractors}
    for images in batches:
        for name, extractor in extractors.items():
            try:
                parts[name] += _in_parts_that_fit(extractor, images)
            except MetricsError as error:
                raise InputError(f"{name}: {error}") from None
    return {name: np.concatenate(arrays) for name, arrays in parts.items()}


def _in_parts_that_fit(extractor: Extractor, images: np.ndarray) -> list[np.ndarray]:
    """Return features of the images, split in halves for as long as they do not fit into memory."""
    try:
        return [extractor.images(images)]
    except (MemoryError, RuntimeError) as error:
        if len(images) == 1 or not is_out_of_memory(error):
            raise
    middle = len(images) // 2
    return _in_parts_that_fit(extractor, images[:middle]) + _in_parts_that_fit(extractor, images[middle:])


def text_features(extractors: Mapping[str, Extractor], texts: Sequence[str], batch_size: int) -> Features:
    """Return the features of the prompts by each extractor that reads text."""
    batches = [list(texts[i : i + batch_size]) for i in range(0, len(texts), batch_size)]
    readers = {name: cast(TextExtractor, e) for name, e in extractors.items() if hasattr(e, "texts")}
    return {name: np.concatenate([reader.texts(b) for b in batches]) for name, reader in readers.items()}
