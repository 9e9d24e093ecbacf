"""From 8-bit images to pixels of an extractor's input size.

Four ways that published values were made with, each under its own name: the choice alone moves a Fréchet
distance by more than most models differ.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from metrics.errors import MetricsError

__all__ = ["Fit", "check_images", "crop_and_resize", "resize_and_crop", "resize_float", "stretch"]

Fit = Callable[[NDArray[np.uint8], int], NDArray[np.uint8]]
"""Takes images uint8 [B, H, W, 3] and a size to [B, size, size, 3]."""


def check_images(images: NDArray[np.uint8]) -> None:
    """Raise MetricsError unless ``images`` is uint8 [B, H, W, 3] with at least one image."""
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[-1] != 3:
        raise MetricsError(
            f"images must be 8-bit RGB, uint8 [B, H, W, 3], got {images.dtype} {list(images.shape)}"
        )
    if images.size == 0:
        raise MetricsError(f"no images to measure: the shape is {list(images.shape)}")


def resize_and_crop(images: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """Return images uint8 [B, H, W, 3] as [B, size, size, 3], as CLIP does; unchanged if they have that size.

    The shortest edge is resized with Pillow's bicubic filter, which antialiases, and stays 8-bit; the other
    edge is rounded down and the centre is cut out with torchvision's rounding, so the result equals
    open_clip's own transform bit for bit.
    """
    check_images(images)
    if images.shape[1:3] == (size, size):
        return images
    return np.stack([_resize_one(Image.fromarray(image), size) for image in images])


def crop_and_resize(images: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """Return the largest central square of images uint8 [B, H, W, 3], resized to [B, size, size, 3].

    Pillow's bicubic filter, which antialiases, with 8-bit output, as in the published code of CMMD. The order
    matters for images that are not square: ``resize_and_crop`` rounds the long edge, this the offset.
    """
    check_images(images)
    height, width = images.shape[1:3]
    edge = min(height, width)
    top, left = (height - edge) // 2, (width - edge) // 2
    return stretch(images[:, top : top + edge, left : left + edge], size)


def stretch(images: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """Return images uint8 [B, H, W, 3] as [B, size, size, 3], whatever their aspect; unchanged at that size.

    Pillow's bicubic filter, which antialiases, with 8-bit output, as in dgm-eval.
    """
    check_images(images)
    if images.shape[1:3] == (size, size):
        return images
    resized = [
        Image.fromarray(image).resize((size, size), Image.Resampling.BICUBIC)
        for image in np.ascontiguousarray(images)
    ]
    return np.stack([np.asarray(image, dtype=np.uint8) for image in resized])


def resize_float(images: NDArray[np.uint8], size: int) -> NDArray[np.float32]:
    """Return images uint8 [B, H, W, 3] as float32 [B, size, size, 3] in 0..255, without rounding to 8 bits.

    Parmar, Zhang and Zhu, "On aliased resizing and surprising subtleties in GAN evaluation" (2022): Pillow's
    antialiased bicubic filter channel by channel in floating point, with overshoots clipped. Equals their
    package clean-fid bit for bit.
    """
    check_images(images)
    resized = np.empty((len(images), size, size, 3), dtype=np.float32)
    for image, target in zip(images.astype(np.float32), resized, strict=True):
        for channel in range(3):
            plane = Image.fromarray(np.ascontiguousarray(image[..., channel]))
            target[..., channel] = np.asarray(plane.resize((size, size), Image.Resampling.BICUBIC))
    return resized.clip(0, 255)


def _resize_one(image: Image.Image, size: int) -> NDArray[np.uint8]:
    """Resize and crop one image to uint8 [size, size, 3]."""
    shortest = min(image.size)
    width, height = (size * edge // shortest for edge in image.size)
    left, top = round((width - size) / 2), round((height - size) / 2)
    resized = image.resize((width, height), Image.Resampling.BICUBIC)
    return np.asarray(resized.crop((left, top, left + size, top + size)), dtype=np.uint8)
