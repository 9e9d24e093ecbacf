"""Sketches of tensors: the tensor itself if it is small, otherwise a random projection."""

from __future__ import annotations

from functools import cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sdbench.core.digest import digest_bytes

__all__ = ["DIGITS", "root_mean_square", "sketch", "step_digests", "thumbnails"]

FULL = 64
"""Latents with at most this many numbers per image are stored unprojected."""

ROWS = 32
"""Dimensions of a projection; it preserves the size of an image's difference to sqrt(2 / 32) = 25%."""

BLOCKS = 8
DIGITS = 16


def sketch(x: Tensor) -> NDArray[np.float64]:
    """Reduce latents [K, P, C, h, w] to [K, P, d] of the same root mean square (Johnson, Lindenstrauss 1984).

    Sketching is linear: the sketch of a difference is the difference of the sketches.
    """
    rows = x.flatten(2).double().cpu().numpy()
    return rows if rows.shape[2] <= FULL else np.asarray(rows @ _projection(rows.shape[2]))


def root_mean_square(sketches: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the root mean square of sketches [K, P, d], the largest of any image, per step [K]."""
    return np.asarray(np.sqrt((sketches**2).mean(axis=2)).max(axis=1))


def step_digests(x: Tensor) -> list[str]:
    """Return a digest of the bits of each of the K steps of [K, P, C, h, w]."""
    steps = x.cpu().contiguous().view(torch.uint8)  # NumPy has no bfloat16
    return [digest_bytes(step.numpy().tobytes())[:DIGITS] for step in steps]


def thumbnails(images: NDArray[np.uint8]) -> NDArray[np.float32] | NDArray[np.uint8]:
    """Reduce images uint8 [n, H, W, 3] to block means [n, h, w, 3], h, w <= 8; small ones stay unchanged."""
    if max(images.shape[1:3]) <= BLOCKS:
        return images
    pixels = torch.from_numpy(images).permute(0, 3, 1, 2).float()
    size = min(pixels.shape[2], BLOCKS), min(pixels.shape[3], BLOCKS)
    return torch.nn.functional.adaptive_avg_pool2d(pixels, size).permute(0, 2, 3, 1).contiguous().numpy()


@cache
def _projection(size: int) -> NDArray[np.float64]:
    signs = np.random.default_rng(size).integers(0, 2, size=(size, ROWS)) * 2 - 1
    return np.asarray(signs / np.sqrt(size))
