"""What people have, as what the harness works on: images, prompts and features of many types."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from sdbench.core.console import Display, display_for
from sdbench.core.errors import InputError
from sdbench.data.captions import FILE_KEYS, TEXT_KEYS
from sdbench.data.image_sets import ImageSet, open_image_set
from sdbench.data.image_sets.memory import as_array, images_in_memory

__all__ = ["as_display", "as_features", "as_images", "as_texts", "is_path"]


def as_display(progress: bool) -> Display | None:
    """Return the display for where the code runs: a notebook, a terminal or a log; None to show nothing."""
    return display_for() if progress else None


def is_path(value: Any) -> bool:
    """Return whether the value is a path."""
    return isinstance(value, str | os.PathLike)


def as_images(images: Any, what: str, fewest: int = 1) -> ImageSet:
    """Return images as a set.

    Args:
        images: A folder or archive by its path, an array, a tensor, a sequence of PIL images, arrays, tensors
            or paths, or a data frame with a column of paths, `file` or `file_name`.
        what: What messages call them.
        fewest: The smallest number allowed.

    Raises:
        InputError: They are none of these, or too few.
    """
    if is_path(images):
        return open_image_set(str(images), what, fewest)
    found = images_in_memory(_column(images, FILE_KEYS, what) if _is_frame(images) else images, what)
    if len(found.names) < fewest:
        raise InputError(f"{what}: {len(found.names)} images, at least {fewest} are needed")
    return found


def as_texts(prompts: Any, what: str) -> list[str]:
    """Return prompts as a list of texts.

    Args:
        prompts: A sequence of texts, a column of a data frame, or a frame with a column `prompt` or `text`.
        what: What messages call them.

    Raises:
        InputError: They are none of these, or one is blank.
    """
    if _is_frame(prompts):
        prompts = _column(prompts, TEXT_KEYS, what)
    if is_path(prompts) or not hasattr(prompts, "__iter__"):
        raise InputError(f"{what}: {type(prompts).__name__} is not a list of texts")
    texts = list(prompts)
    for place, text in enumerate(texts):
        if not isinstance(text, str) or not text.strip():
            raise InputError(f"{what}: entry {place} is {text!r}, not a text")
    return texts


def as_features(value: Any) -> np.ndarray | None:
    """Return features [n, d] given as an array, a tensor or a frame of numbers; None for anything else."""
    array = value.to_numpy() if _is_frame(value) else as_array(value)
    if array is None or array.ndim != 2 or not np.issubdtype(array.dtype, np.number):
        return None
    # Frames hold columns one after the other; sums over another layout may differ in the last bit.
    return np.ascontiguousarray(array)


def _is_frame(value: Any) -> bool:
    return type(value).__module__.partition(".")[0] == "pandas" and hasattr(value, "columns")


def _column(frame: Any, names: Sequence[str], what: str) -> list[Any]:
    for name in names:
        if name in frame.columns:
            return list(frame[name])
    raise InputError(f"{what}: the data frame has no column {' or '.join(names)}")
