"""Metrics that give each image a value or a few: stored like the features of an extractor."""

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
        if is_out_of_memory(error) or isinstance(error, MetricsError):
            raise
        raise MetricsError(f"raises {error_words(error)}") from error


def as_array(found: Any) -> NDArray[np.float64]:
    """Return numbers of any library as float64; MetricsError for anything else."""
    try:
        return np.asarray(found.detach().cpu() if hasattr(found, "detach") else found, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise MetricsError(f"returns {type(found).__name__}, not numbers: {error_words(error)}") from None


class ImageValues:
    """An extractor of numbers per image, by a function of images, and of prompts and reference images.

    Attributes:
        name: The name of the metric with its arguments.
        digest: Identifies its code, arguments and weights.
        dim: How many values an image has.
        takes: Which of images, prompts and references the function takes.
        function: Gives the values.
    """

    def __init__(
        self, name: str, digest: str, function: Callable[..., Any], takes: Sequence[str], dim: int = 1
    ) -> None:
        self.name = name
        self.digest = digest
        self.takes = frozenset(takes)
        self.function = function
        self.dim = dim

    @property
    def takes_references(self) -> bool:
        """Whether each image is compared with a reference image of its own."""
        return REFERENCES in self.takes

    def images(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return the values [B, dim] of images uint8 [B, H, W, 3], if nothing else is needed."""
        return self.values(images, [], None)

    def values(
        self, images: NDArray[np.uint8], prompts: Sequence[str], references: NDArray[np.uint8] | None
    ) -> NDArray[np.float32]:
        """Return the values [B, dim] of images uint8 [B, H, W, 3].

        Args:
            images: The images.
            prompts: Their B prompts; may be empty if the function takes none.
            references: Their reference images, of the same shape; None if the function takes none.

        Raises:
            MetricsError: The function raises, or returns something else than finite numbers for B images.
        """
        # Copies, so that a function that works in place changes no image.
        given = {
            IMAGES: images.copy(),
            PROMPTS: list(prompts),
            REFERENCES: None if references is None else references.copy(),
        }
        found = guarded(self.function, **{name: given[name] for name in self.takes})
        values, n = as_array(found), len(images)
        if values.shape != (n, self.dim) and (self.dim > 1 or values.shape != (n,)):
            wanted = [n] if self.dim == 1 else [n, self.dim]
            raise MetricsError(f"returns an array {list(values.shape)} for {n} images, not {wanted}")
        values = values.reshape(n, self.dim)
        wrong = np.flatnonzero(~np.isfinite(values).all(axis=1))
        if wrong.size:
            first = f", the first for the prompt {prompts[wrong[0]]!r:.80}" if len(prompts) else ""
            raise MetricsError(f"returns NaN or infinity for {wrong.size} of {n} images{first}")
        return values.astype(np.float32)
