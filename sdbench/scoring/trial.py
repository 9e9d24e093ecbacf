"""Trials before any image is made: of extractors from outside, and of prompts that an extractor must read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from metrics import MetricsError, Protocol
from metrics.features import EXTRACTORS, Extractor
from metrics.features.statements import StatementReader
from sdbench.core.errors import InputError
from sdbench.data.prompts import Prompt
from sdbench.scoring.extract import image_features, text_features
from sdbench.scoring.outside import ImageValues
from sdbench.scoring.pairs import OfPrompts, beside_images

__all__ = ["check_prompts", "try_out"]

_IMAGES = 2


def check_prompts(
    protocols: Iterable[Protocol],
    extractors: Mapping[str, Extractor],
    prompts: Iterable[str],
    image_size: tuple[int, int],
) -> None:
    """Raise InputError for prompts, or a size (height, width), that a protocol's extractor cannot read."""
    texts = list(prompts)
    for protocol in protocols:
        extractor = extractors.get(protocol.extractor)
        if not isinstance(extractor, ImageValues) or not isinstance(extractor.function, StatementReader):
            continue
        try:
            extractor.function.check(texts, image_size)
        except MetricsError as error:
            raise InputError(f"{protocol.name}: {error}; leave this metric out") from None


def try_out(
    extractors: Mapping[str, Extractor],
    image_size: tuple[int, int],
    prompts: Sequence[Prompt],
    of_prompts: OfPrompts | None,
) -> None:
    """Try the extractors from outside on random images (height, width) of the first prompts.

    Every prompt is also asked for its reference image if `of_prompts` is given.

    Raises:
        InputError: One fails, or a prompt has no reference image.
    """
    outside = {name: extractor for name, extractor in extractors.items() if name not in EXTRACTORS}
    few = prompts[:_IMAGES]
    images = np.random.default_rng(0).integers(0, 256, (len(few), *image_size, 3), dtype=np.uint8)
    image_features(outside, [images], beside_images(few, of_prompts))
    text_features(outside, [prompt.text for prompt in few], len(few))
