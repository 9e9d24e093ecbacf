"""The original script's invisible watermark: the text "StableDiffusionV1", embedded by dwtDct."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from sdbench.core.errors import one_line

__all__ = ["Watermark", "watermark"]

MESSAGE = b"StableDiffusionV1"
METHOD = "dwtDct"
SMALLEST = 256 * 256
"""The library refuses images with fewer pixels."""


class Watermark:
    """Puts the watermark on images that are large enough."""

    def __init__(self, encoder: Any, note: Callable[[str], None]) -> None:
        self._encoder = encoder
        self._encoder.set_watermark("bytes", MESSAGE)
        self._note = note
        self._noted = False

    def __call__(self, image: np.ndarray) -> np.ndarray:
        """Return the image uint8 [H, W, 3] with the watermark, or unchanged if it is too small."""
        height, width, _ = image.shape
        if height * width < SMALLEST:
            if not self._noted:
                self._note(f"no watermark: it needs 256 x 256 pixels, the images have {width} x {height}")
            self._noted = True
            return image
        # The library expects blue, green, red.
        marked = self._encoder.encode(np.ascontiguousarray(image[:, :, ::-1]), METHOD)
        return np.ascontiguousarray(marked[:, :, ::-1])


def watermark(wanted: bool, note: Callable[[str], None]) -> Callable[[np.ndarray], np.ndarray]:
    """Return the function that images pass through before they are saved.

    Args:
        wanted: Whether to embed a watermark.
        note: Receives one line if a watermark is wanted but cannot be embedded.
    """
    if not wanted:
        return lambda image: image
    try:
        from imwatermark import WatermarkEncoder
    except Exception as error:  # its dependencies may fail in any way
        note(
            f"no watermark ({one_line(error)}): pip install 'sdbench[watermark]', "
            "or give --no-watermark to hide this note"
        )
        return lambda image: image
    return Watermark(WatermarkEncoder(), note)
