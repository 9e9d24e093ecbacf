"""From 8-bit images to the 8-bit images of the size that an extractor wants."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from metrics.errors import MetricsError

__all__ = ["check_images", "resize_and_crop"]


def check_images(images: NDArray[np.uint8]) -> None:
    """Raise MetricsError unless ``images`` is uint8 [B, H, W, 3] with at least one image."""
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[-1] != 3:
        raise MetricsError(
            f"images must be 8-bit RGB, uint8 [B, H, W, 3], got {images.dtype} {list(images.shape)}"
        )
    if images.size == 0:
        raise MetricsError(f"there are no images to measure: the shape is {list(images.shape)}")


def resize_and_crop(images: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """Bring images uint8 [B, H, W, 3] to [B, size, size, 3] as CLIP does; of that size already, unchanged.

    The shortest edge is resized with Pillow's bicubic filter, which antialiases, and stays 8-bit; the other
    edge is rounded down and the centre is cut out with torchvision's rounding, so the result is the same
    bit for bit as open_clip's own transform.
    """
    check_images(images)
    if images.shape[1:3] == (size, size):
        return images
    return np.stack([_resize_one(Image.fromarray(image), size) for image in images])


def _resize_one(image: Image.Image, size: int) -> NDArray[np.uint8]:
    """Resize and crop one picture to uint8 [size, size, 3]."""
    shortest = min(image.size)
    width, height = (size * edge // shortest for edge in image.size)
    left, top = round((width - size) / 2), round((height - size) / 2)
    resized = image.resize((width, height), Image.Resampling.BICUBIC)
    return np.asarray(resized.crop((left, top, left + size, top + size)), dtype=np.uint8)
