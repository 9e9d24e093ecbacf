"""Resizing: bit for bit what open_clip, clean-fid and the code of CMMD do."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import open_clip
import pytest
from cleanfid.resize import build_resizer
from PIL import Image

from metrics import MetricsError
from metrics.preprocess import Fit, crop_and_resize, resize_and_crop, resize_float, stretch


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(sum(shape)).integers(0, 256, size=shape, dtype=np.uint8)


@pytest.mark.parametrize(("height", "width"), [(64, 64), (96, 96), (33, 71), (120, 50), (31, 30)])
def test_pixels_are_those_of_open_clips_transform(height: int, width: int) -> None:
    images = noise(2, height, width, 3)
    transform = open_clip.image_transform(48, is_train=False, mean=(0.0,) * 3, std=(1.0,) * 3)
    theirs = np.stack([transform(Image.fromarray(image)).numpy() for image in images]).transpose(0, 2, 3, 1)
    np.testing.assert_array_equal(resize_and_crop(images, 48), np.rint(theirs * 255).astype(np.uint8))


def test_floating_point_pixels_are_those_of_clean_fid() -> None:
    golden = np.load(Path(__file__).parents[1] / "goldens" / "metrics" / "clean-fid-resize.npz")
    for size in ("48x64", "20x12", "31x31"):
        resized = resize_float(golden[f"images_{size}"][None], 31)[0]
        assert resized.dtype == np.float32
        np.testing.assert_array_equal(resized, golden[f"resized_{size}"])


@pytest.mark.parametrize(("height", "width"), [(512, 512), (64, 48), (200, 333)])
def test_299_pixels_are_those_of_clean_fid(height: int, width: int) -> None:
    image = noise(height, width, 3)
    np.testing.assert_array_equal(resize_float(image[None], 299)[0], build_resizer("clean")(image))


@pytest.mark.parametrize(("height", "width"), [(64, 64), (33, 70), (120, 51)])
def test_cropping_first_leaves_the_edges_out(height: int, width: int) -> None:
    images = noise(2, height, width, 3)
    edge = min(height, width)
    left, top = (width - edge) // 2, (height - edge) // 2
    theirs = [
        Image.fromarray(image)
        .crop((left, top, left + edge, top + edge))
        .resize((32, 32), Image.Resampling.BICUBIC)
        for image in images
    ]
    np.testing.assert_array_equal(crop_and_resize(images, 32), np.stack([np.asarray(t) for t in theirs]))
    outside = images.copy()
    outside[:, top : top + edge, left : left + edge] = 0
    assert not crop_and_resize(outside, 32).any()


def test_stretching_keeps_the_edges() -> None:
    images = np.zeros((1, 40, 80, 3), dtype=np.uint8)
    images[:, :, :10] = 255
    stretched = stretch(images, 20)
    assert stretched.shape == (1, 20, 20, 3)
    assert stretched[:, :, :2].min() > 250
    assert not crop_and_resize(images, 20).any()


@pytest.mark.parametrize("fit", [resize_and_crop, crop_and_resize, stretch])
def test_images_of_the_right_size_are_left_alone(fit: Fit) -> None:
    images = noise(3, 32, 32, 3)
    np.testing.assert_array_equal(fit(images, 32), images)


@pytest.mark.parametrize(
    "images",
    [np.zeros((2, 8, 8, 3), dtype=np.float32), noise(8, 8, 3), noise(2, 3, 8, 8), noise(2, 8, 8, 4)],
)
def test_anything_but_8_bit_rgb_is_refused(images: np.ndarray) -> None:
    for fit in (resize_and_crop, crop_and_resize, stretch, resize_float):
        with pytest.raises(MetricsError, match=r"8-bit RGB, uint8 \[B, H, W, 3\]"):
            fit(images, 8)


def test_no_images_are_refused() -> None:
    with pytest.raises(MetricsError, match="no images"):
        resize_and_crop(np.zeros((0, 8, 8, 3), dtype=np.uint8), 8)
