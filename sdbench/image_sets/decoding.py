"""From the bytes of an image file to 8-bit RGB, without guessing.

Greyscale and palette images become RGB, an alpha channel that is opaque everywhere is dropped. What has
no one right answer is refused: transparent pixels (before which background?), CMYK (by which profile?), more
than 8 bits (scaled how?). EXIF orientation is left alone, as other FID tools leave it.
"""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from sdbench.errors import one_line

__all__ = ["TruncatedError", "decode"]

_PNG = b"\x89PNG\r\n\x1a\n"
_PNG_DEPTH = 24
"""Where a PNG says how many bits a sample has; Pillow opens 16-bit RGB as 8-bit without a word."""


class TruncatedError(ValueError):
    """The file begins as an image and ends too early; `size` is (height, width)."""

    def __init__(self, message: str, size: tuple[int, int]) -> None:
        super().__init__(message)
        self.size = size


def decode(blob: bytes) -> Image.Image:
    """The image as mode RGB.

    ValueError says in one line why it cannot be used, TruncatedError that the file ends too early.
    """
    if not blob:
        raise ValueError("is empty (0 bytes)")
    if blob.startswith(_PNG) and blob[_PNG_DEPTH : _PNG_DEPTH + 1] == b"\x10":
        raise ValueError("has 16 bits a channel; convert it to 8 bits first")
    try:
        image = Image.open(io.BytesIO(blob))
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise ValueError(f"cannot be read as an image: {_without_object(error)}") from None
    with image:
        try:
            image.load()
        except (OSError, SyntaxError, ValueError) as error:
            message = f"cannot be read as an image: {one_line(error)}"
            if "truncated" in str(error):
                raise TruncatedError(message, (image.height, image.width)) from None
            raise ValueError(message) from None
        return _as_rgb(image)


def _as_rgb(image: Image.Image) -> Image.Image:
    if image.mode == "CMYK":
        raise ValueError("is CMYK, whose colours depend on a profile; convert it to RGB first")
    if image.mode not in ("1", "L", "LA", "P", "PA", "RGB", "RGBA"):
        raise ValueError(f"is of mode {image.mode}; convert it to 8-bit RGB first")
    if image.has_transparency_data:
        rgba = image.convert("RGBA")
        if np.asarray(rgba.getchannel("A")).min() < 255:
            raise ValueError("has transparent pixels; put it on a background first")
        return rgba.convert("RGB")
    return image.convert("RGB")


def _without_object(error: Exception) -> str:
    """Pillow names the memory address of the stream, which says nothing."""
    return "unknown or damaged format" if "BytesIO" in str(error) else one_line(error)
