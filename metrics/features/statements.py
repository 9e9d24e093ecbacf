"""Counts of the statements that images bear out, by readers that know a family of pictures."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from metrics.errors import MetricsError
from metrics.prompt_accuracy import STATEMENT_KINDS

__all__ = ["Judge", "StatementReader"]

Judge = Callable[[NDArray[np.uint8], Sequence[str]], Iterable[Iterable[tuple[str, bool]]]]
"""Takes images uint8 [B, H, W, 3] and their B prompts; gives the kind of each statement and if it holds."""


@dataclass(frozen=True, eq=False)
class StatementReader:
    """Counts which statements of its prompt an image bears out, without a network.

    Attributes:
        judge: Reads images of the family.
        understand: Raises ValueError for a prompt that is not of the family.
        edge: Height and width of the family's images.
    """

    judge: Judge
    understand: Callable[[str], object]
    edge: int

    @property
    def digest(self) -> str:
        """The sha256 of a name: there are no weights, and the version in EXTRACTORS stands for the code."""
        return hashlib.sha256(b"statements").hexdigest()

    def __call__(self, images: NDArray[np.uint8], prompts: Sequence[str]) -> NDArray[np.float64]:
        """Return the counts [B, 12] of images uint8 [B, H, W, 3] and their B prompts.

        They are the numbers of statements that hold, by kind, then of all that are made. Raises MetricsError
        as ``check`` does.
        """
        self.check(prompts, images.shape[1:3])
        found = np.zeros((len(images), 2, len(STATEMENT_KINDS)))
        for row, judged in zip(found, self.judge(images, prompts), strict=True):
            for kind, holds in judged:
                row[:, STATEMENT_KINDS.index(kind)] += (holds, 1)
        return found.reshape(len(images), -1)

    def check(self, prompts: Iterable[str], image_size: tuple[int, ...]) -> None:
        """Raise MetricsError unless the prompts and the images (height, width) are of the family."""
        if image_size != (self.edge, self.edge):
            height, width = image_size
            raise MetricsError(f"reads images of {self.edge}x{self.edge} pixels, not {height}x{width}")
        for prompt in dict.fromkeys(prompts):
            try:
                self.understand(prompt)
            except ValueError as error:
                raise MetricsError(f"{error}") from None
