"""Metrics that give each image a value: stored like the features of an extractor, of length 1."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from metrics import MetricsError
from sdbench.core.memory import is_out_of_memory
from sdbench.core.outside import error_words

__all__ = ["ImageValues", "as_array", "guarded"]

IMAGES, PROMPTS, REFERENCES = "images", "prompts", "references"


def guarded(function: Callable[..., Any], *args: Any, **given: Any) -> Any:
    """Call foreign code; MetricsError for what it raises, unless memory is full."""
    try:
        return function(*args, **given)
    except Exception as error:
        if is_out_of_memory(error):
            raise
        raise MetricsError(f"raises {error_words(error)}") from error


def as_array(found: Any) -> NDArray[np.float64]:
    """Return numbers of any library as float64; MetricsError for anything else."""
    try:
        return np.asarray(found.detach().cpu() if hasattr(found, "detach") else found, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise MetricsError(f"returns {type(found).__name__}, not numbers: {error_words(error)}") from None


class ImageValues:
    """An extractor of one number per image, by a function of images, and of prompts and reference images.

    Attributes:
        name: The name of the metric with its arguments.
        digest: Identifies its code, arguments and weights.
        dim: 1.
        takes: Which of images, prompts and references the function takes.
    """

    dim = 1

    def __init__(self, name: str, digest: str, function: Callable[..., Any], takes: Sequence[str]) -> None:
        self.name = name
        self.digest = digest
        self.takes = frozenset(takes)
        self._function = function

    @property
    def takes_references(self) -> bool:
        """Whether each image is compared with a reference image of its own."""
        return REFERENCES in self.takes

    def images(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return the values [B, 1] of images uint8 [B, H, W, 3], if nothing else is needed."""
        return self.values(images, [], None)

    def values(
        self, images: NDArray[np.uint8], prompts: Sequence[str], references: NDArray[np.uint8] | None
    ) -> NDArray[np.float32]:
        """Return the values [B, 1] of images uint8 [B, H, W, 3].

        Args:
            images: The images.
            prompts: Their B prompts; may be empty if the function takes none.
            references: Their reference images, of the same shape; None if the function takes none.

        Raises:
            MetricsError: The function raises, or returns something else than B finite numbers.
        """
        # Copies, so that a function that works in place changes no image.
        given = {
            IMAGES: images.copy(),
            PROMPTS: list(prompts),
            REFERENCES: None if references is None else references.copy(),
        }
        found = guarded(self._function, **{name: given[name] for name in self.takes})
        values, n = as_array(found), len(images)
        if values.shape not in ((n,), (n, 1)):
            raise MetricsError(f"returns an array {list(values.shape)} for {n} images, not [{n}]")
        values = values.reshape(n, 1)
        wrong = np.flatnonzero(~np.isfinite(values))
        if wrong.size:
            first = f", the first for the prompt {prompts[wrong[0]]!r:.80}" if len(prompts) else ""
            raise MetricsError(f"returns NaN or infinity for {wrong.size} of {n} images{first}")
        return values.astype(np.float32)
