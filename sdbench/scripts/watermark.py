"""The invisible watermark of the original script: "StableDiffusionV1", by wavelets and cosines (dwtDct)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from sdbench.errors import one_line

__all__ = ["Watermark", "watermark"]

MESSAGE = b"StableDiffusionV1"
METHOD = "dwtDct"
SMALLEST = 256 * 256
"""Pixels below which the library refuses an image."""


class Watermark:
    """Puts the watermark on images that can carry it."""

    def __init__(self, encoder: Any, note: Callable[[str], None]) -> None:
        self._encoder = encoder
        self._encoder.set_watermark("bytes", MESSAGE)
        self._note = note
        self._said = False

    def __call__(self, image: np.ndarray) -> np.ndarray:
        """uint8 [H, W, 3] -> the same with the watermark, or unchanged where the image is too small."""
        height, width, _ = image.shape
        if height * width < SMALLEST:
            if not self._said:
                self._note(f"no watermark: {width} x {height} is below the 256 x 256 pixels that it needs")
            self._said = True
            return image
        # The library works on blue, green, red.
        marked = self._encoder.encode(np.ascontiguousarray(image[:, :, ::-1]), METHOD)
        return np.ascontiguousarray(marked[:, :, ::-1])


def watermark(wanted: bool, note: Callable[[str], None]) -> Callable[[np.ndarray], np.ndarray]:
    """What images go through before they are saved; `note` is told once where that is nothing."""
    if not wanted:
        return lambda image: image
    try:
        from imwatermark import WatermarkEncoder
    except Exception as error:  # a library that it is built on may fail in any way
        note(
            f"no watermark ({one_line(error)}): install it with pip install 'sdbench[watermark]', "
            "or give --no-watermark"
        )
        return lambda image: image
    return Watermark(WatermarkEncoder(), note)
