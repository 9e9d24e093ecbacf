"""What one image shows without any network: its flag, size, thumbnail, and five looks."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass

import numpy as np
from PIL import Image

from sdbench.core.digest import digest_pixels
from sdbench.core.errors import one_line
from sdbench.data.image_sets.decoding import TruncatedError
from sdbench.scoring.audit import TRUNCATED, first_sight, thumbnail

__all__ = ["LOOKS", "VERSION", "Picture", "channel_means", "look_at", "luma"]

VERSION = 1
"""Raised when a change could move what is remembered of an image."""

LOOKS = {
    "brightness": "mean level, 0 to 255",
    "contrast": "standard deviation of the levels within the image",
    "warmth": "mean of red minus blue",
    "tint": "mean of green minus the average of red and blue",
    "detail": "mean difference between neighbouring pixels; blur lowers it, noise raises it",
}
"""Measures of an image by name, in levels of 255. They need no weights, and see what CLIP overlooks."""

UNREADABLE = "unreadable"


@dataclass(frozen=True)
class Picture:
    """An image in numbers.

    Attributes:
        sha256: Digest of the pixels; "" if there are none.
        size: (height, width); (0, 0) if unknown.
        flag: What is wrong with the image, "" for nothing.
        looks: A value for each of LOOKS; empty if the image cannot be read.
        thumbnail: 8x8 RGB, 192 values; empty if the image cannot be read.
    """

    sha256: str
    size: tuple[int, int]
    flag: str
    looks: tuple[float, ...] = ()
    thumbnail: tuple[int, ...] = ()

    def to_bytes(self) -> bytes:
        """Return the picture as JSON."""
        return json.dumps(asdict(self)).encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> Picture:
        """Return the picture that `to_bytes` wrote."""
        known = json.loads(data)
        tuples = {name: tuple(known[name]) for name in ("size", "looks", "thumbnail")}
        return cls(known["sha256"], flag=known["flag"], **tuples)


def look_at(blob: bytes, decode: Callable[[bytes], Image.Image]) -> tuple[Picture, np.ndarray | None]:
    """Return an image in numbers, and its pixels uint8 [H, W, 3], None if they cannot be had."""
    try:
        pixels = np.asarray(decode(blob))
    except TruncatedError as error:
        return Picture("", error.size, TRUNCATED), None
    except ValueError as error:
        return Picture("", (0, 0), f"{UNREADABLE}: {one_line(error)}"), None
    height, width = pixels.shape[:2]
    small = tuple(thumbnail(pixels).tolist())
    return (
        Picture(digest_pixels(pixels), (height, width), first_sight(pixels), _looks(pixels), small),
        pixels,
    )


def luma(pixels: np.ndarray) -> np.ndarray:
    """Return the brightness of pixels uint8 [H, W, 3] by ITU-R BT.601: float32 [H, W], 0 to 255."""
    return pixels @ np.array([0.299, 0.587, 0.114], np.float32)


def channel_means(pixels: np.ndarray) -> tuple[float, float, float]:
    """Return the means of red, green and blue of integers [H, W, 3]: one by one, which is 5 times faster."""
    red, green, blue = (float(pixels[..., channel].mean(dtype=np.float64)) for channel in range(3))
    return red, green, blue


def _looks(pixels: np.ndarray) -> tuple[float, ...]:
    grey = luma(pixels)
    red, green, blue = channel_means(pixels)
    steps = [float(np.abs(np.diff(grey, axis=axis)).mean()) for axis in (0, 1) if grey.shape[axis] > 1]
    return (
        float(grey.mean(dtype=np.float64)),
        float(grey.std(dtype=np.float64)),
        red - blue,
        green - (red + blue) / 2,
        float(np.mean(steps)) if steps else 0.0,
    )
