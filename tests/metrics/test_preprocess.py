"""Resizing: bit for bit what open_clip does."""

from __future__ import annotations

import numpy as np
import open_clip
import pytest
from PIL import Image

from metrics import MetricsError
from metrics.preprocess import resize_and_crop


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(sum(shape)).integers(0, 256, size=shape, dtype=np.uint8)


@pytest.mark.parametrize(("height", "width"), [(64, 64), (96, 96), (33, 71), (120, 50), (31, 30)])
def test_pixels_are_those_of_open_clips_transform(height: int, width: int) -> None:
    images = noise(2, height, width, 3)
    transform = open_clip.image_transform(48, is_train=False, mean=(0.0,) * 3, std=(1.0,) * 3)
    theirs = np.stack([transform(Image.fromarray(image)).numpy() for image in images]).transpose(0, 2, 3, 1)
    np.testing.assert_array_equal(resize_and_crop(images, 48), np.rint(theirs * 255).astype(np.uint8))


def test_images_of_the_right_size_are_left_alone() -> None:
    images = noise(3, 32, 32, 3)
    assert resize_and_crop(images, 32) is images


@pytest.mark.parametrize(
    "images",
    [np.zeros((2, 8, 8, 3), dtype=np.float32), noise(8, 8, 3), noise(2, 3, 8, 8), noise(2, 8, 8, 4)],
)
def test_anything_but_8_bit_rgb_is_refused(images: np.ndarray) -> None:
    with pytest.raises(MetricsError, match=r"8-bit RGB, uint8 \[B, H, W, 3\]"):
        resize_and_crop(images, 8)


def test_no_images_are_refused() -> None:
    with pytest.raises(MetricsError, match="no images"):
        resize_and_crop(np.zeros((0, 8, 8, 3), dtype=np.uint8), 8)
