"""Decode the bytes of an image file to 8-bit RGB, without guessing.

Greyscale and palette images become RGB; an alpha channel that is opaque everywhere is dropped. Images without
a unique conversion are refused: transparent pixels (on which background?), CMYK (with which profile?), more
than 8 bits (scaled how?). EXIF orientation is ignored, as in other FID tools. Of an
animation or a file of several pages the first image counts.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator

import numpy as np
from PIL import Image, features

from sdbench.core.errors import one_line

__all__ = ["SUFFIXES", "TruncatedError", "as_rgb", "decode", "pixels_only", "png_chunks"]

SUFFIXES = frozenset(
    {
        *(".bmp", ".gif", ".jfif", ".jpe", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"),
        *([".avif"] if features.check("avif") else []),
    }
)
"""Suffixes of the files that are taken for images."""

_PNG = b"\x89PNG\r\n\x1a\n"
_PNG_TEXT = (b"tEXt", b"zTXt", b"iTXt", b"iCCP", b"eXIf")
"""Chunks beside the pixels, which no decoding needs and which can unpack to any size."""
_PNG_DEPTH = 24
"""Offset of a PNG's bits per sample; Pillow silently opens 16-bit RGB as 8-bit."""


class TruncatedError(ValueError):
    """The file is an incomplete image; `size` is (height, width)."""

    def __init__(self, message: str, size: tuple[int, int]) -> None:
        super().__init__(message)
        self.size = size


def decode(blob: bytes) -> Image.Image:
    """Decode an image to mode RGB.

    Raises:
        TruncatedError: The file is incomplete.
        ValueError: The image cannot be used for another reason, which the one-line message gives.
    """
    if not blob:
        raise ValueError("is empty (0 bytes)")
    if blob.startswith(b"version https://git-lfs"):
        raise ValueError("is a Git LFS pointer, not the image; fetch it with: git lfs pull")
    if blob.startswith(_PNG) and blob[_PNG_DEPTH : _PNG_DEPTH + 1] == b"\x10":
        raise ValueError("has 16 bits per channel; convert it to 8 bits first")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # on damaged metadata, which no pixel depends on
        return _decoded(blob)


def _decoded(blob: bytes) -> Image.Image:
    try:
        image = Image.open(io.BytesIO(pixels_only(blob)))
    except Exception as error:  # damaged files end Pillow's readers in many ways
        raise ValueError(f"cannot be read as an image: {_without_object(error)}") from None
    with image:
        try:
            image.load()
        except Exception as error:
            message = f"cannot be read as an image: {one_line(error)}"
            if "truncated" in str(error):
                raise TruncatedError(message, (image.height, image.width)) from None
            raise ValueError(message) from None
        return as_rgb(image)


def pixels_only(blob: bytes) -> bytes:
    """Return a PNG without texts and profiles, such as a workflow of megabytes that Pillow refuses to unpack.

    Other files, and what follows a damaged chunk, stay as they are.
    """
    if not blob.startswith(_PNG):
        return blob
    kept, start = [_PNG], len(_PNG)
    for kind, data in png_chunks(blob):
        end = start + len(data) + 12
        if kind not in _PNG_TEXT:
            kept.append(blob[start:end])
        start = end
    return b"".join([*kept, blob[start:]])


def png_chunks(blob: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield the type and the data of a PNG's chunks up to the first that is cut off; none of other files."""
    start = len(_PNG) if blob.startswith(_PNG) else len(blob)
    while start + 12 <= len(blob):
        end = start + 12 + int.from_bytes(blob[start : start + 4], "big")
        if end > len(blob):
            break
        yield blob[start + 4 : start + 8], blob[start + 8 : end - 4]
        start = end


def as_rgb(image: Image.Image) -> Image.Image:
    """Return the image as 8-bit RGB; ValueError if it has no unique conversion."""
    if image.mode == "CMYK":
        raise ValueError("is CMYK, whose colours depend on a profile; convert it to RGB first")
    if image.mode not in ("1", "L", "LA", "P", "PA", "RGB", "RGBA"):
        raise ValueError(f"has mode {image.mode}; convert it to 8-bit RGB first")
    if image.has_transparency_data:
        rgba = image.convert("RGBA")
        if np.asarray(rgba.getchannel("A")).min() < 255:
            raise ValueError("has transparent pixels; flatten it onto a background first")
        return rgba.convert("RGB")
    return image.convert("RGB")


def _without_object(error: Exception) -> str:
    """Return the error's message; one with the memory address of a stream is useless, so replace it."""
    return "unknown or damaged format" if "BytesIO" in str(error) else one_line(error)
