"""Sets of images that are read as they are needed, for metrics of whole sets."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

__all__ = ["PICTURES", "HasBatches", "Pictures"]

PICTURES = "pictures"
"""Takes the place of an extractor's name for metrics that read images instead of features."""


class HasBatches(Protocol):
    """Images that come in batches."""

    def batches(self) -> Iterator[np.ndarray]:
        """Yield all images as uint8 [B, H, W, 3]."""


@dataclass(frozen=True, eq=False)
class Pictures:
    """n images.

    Attributes:
        parts: Functions that each read some of the images, uint8 [B, H, W, 3], in order.
        sizes: The number of images of each part.
        chosen: Which of all images belong to the set, ascending indices [n].
        prompts: The n prompts; empty if they are not known.
    """

    parts: Sequence[Callable[[], np.ndarray]]
    sizes: Sequence[int]
    chosen: np.ndarray
    prompts: Sequence[str] = ()

    @classmethod
    def of(
        cls, parts: Sequence[Callable[[], np.ndarray]], sizes: Sequence[int], prompts: Sequence[str] = ()
    ) -> Pictures:
        """Return the set of all images."""
        return cls(parts, sizes, np.arange(sum(sizes)), prompts)

    def __len__(self) -> int:
        return len(self.chosen)

    def __getitem__(self, kept: np.ndarray) -> Pictures:
        """Return the images for which `kept`, bool [n], is true."""
        prompts = [prompt for prompt, keep in zip(self.prompts, kept, strict=False) if keep]
        return replace(self, chosen=self.chosen[kept], prompts=prompts)

    @property
    def shape(self) -> tuple[int, int]:
        """The number of images, and 0, since they have no features."""
        return len(self), 0

    def batches(self) -> Iterator[np.ndarray]:
        """Yield the images, part by part."""
        start = 0
        for read, size in zip(self.parts, self.sizes, strict=True):
            mine = self.chosen[(self.chosen >= start) & (self.chosen < start + size)] - start
            if len(mine):
                yield read()[mine]
            start += size
