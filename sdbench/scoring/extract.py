"""Computes features of images and prompts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np

from metrics import MetricsError
from metrics.features import Extractor, TextExtractor
from sdbench.core.errors import InputError
from sdbench.core.memory import is_out_of_memory
from sdbench.scoring.outside import VALUES, ImageValues

__all__ = ["Beside", "Features", "image_features", "text_features"]

Features = dict[str, np.ndarray]
"""Features float32 [n, d] by extractor name."""


@dataclass(frozen=True)
class Beside:
    """What belongs to n images, for values per image that depend on it.

    Attributes:
        prompts: The n prompts; empty if they are not known.
        references: Returns the reference images, uint8, of the images from one place up to another; None if
            images have none.
    """

    prompts: Sequence[str] = ()
    references: Callable[[int, int], np.ndarray] | None = None


_NOTHING = Beside()


def image_features(
    extractors: Mapping[str, Extractor], batches: Iterable[np.ndarray], beside: Beside = _NOTHING
) -> Features:
    """Return the features of all images, given as batches uint8 [B, H, W, 3].

    Raises:
        InputError: An extractor cannot use the images, or one from outside fails.
    """
    parts: dict[str, list[np.ndarray]] = {name: [] for name in extractors}
    start = 0
    for images in batches:
        for name, extractor in extractors.items():
            try:
                parts[name] += _in_parts_that_fit(extractor, images, beside, start)
            except MetricsError as error:
                raise InputError(f"{name.removeprefix(VALUES)}: {error}") from None
        start += len(images)
    return {name: np.concatenate(arrays) for name, arrays in parts.items()}


def _in_parts_that_fit(
    extractor: Extractor, images: np.ndarray, beside: Beside, start: int
) -> list[np.ndarray]:
    """Return features of the images, split in halves for as long as they do not fit into memory."""
    try:
        return [_features(extractor, images, beside, start)]
    except (MemoryError, RuntimeError) as error:
        if len(images) == 1 or not is_out_of_memory(error):
            raise
    middle = len(images) // 2
    return _in_parts_that_fit(extractor, images[:middle], beside, start) + _in_parts_that_fit(
        extractor, images[middle:], beside, start + middle
    )


def _features(extractor: Extractor, images: np.ndarray, beside: Beside, start: int) -> np.ndarray:
    if not isinstance(extractor, ImageValues):
        return extractor.images(images)
    end = start + len(images)
    wanted = beside.references if extractor.takes_references else None
    return extractor.values(images, beside.prompts[start:end], wanted and wanted(start, end))


def text_features(extractors: Mapping[str, Extractor], texts: Sequence[str], batch_size: int) -> Features:
    """Return the features of the prompts by each extractor that reads text.

    Raises:
        InputError: An extractor from outside fails.
    """
    batches = [list(texts[i : i + batch_size]) for i in range(0, len(texts), batch_size)]
    readers = {name: cast(TextExtractor, e) for name, e in extractors.items() if hasattr(e, "texts")}
    found = {}
    for name, reader in readers.items():
        try:
            found[name] = np.concatenate([reader.texts(batch) for batch in batches])
        except MetricsError as error:
            raise InputError(f"{name}: {error}") from None
    return found
