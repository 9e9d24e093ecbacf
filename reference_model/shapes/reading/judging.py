"""Judge pictures by their captions: which statements hold."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from reference_model.shapes.reading.scenes import read_scenes
from reference_model.shapes.reading.statements import check, statements

__all__ = ["judge"]


def judge(images: NDArray[np.uint8], captions: Sequence[str]) -> list[list[tuple[str, bool]]]:
    """Return, for each picture, its caption's statements by their kind and whether they hold.

    Args:
        images: Pictures, uint8 [n, 64, 64, 3].
        captions: Their n captions.

    Raises:
        ValueError: Pictures of another type or size, or a caption of another kind.
    """
    judged = []
    for view, caption in zip(read_scenes(images), captions, strict=True):
        said = statements(caption)
        judged.append([(s.kind, holds) for s, holds in zip(said, check(said, view), strict=True)])
    return judged
