"""Small stand-ins for tensors: the whole where it is small, a random projection where it is not."""

from __future__ import annotations

from functools import cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sdbench.digest import digest_bytes

__all__ = ["DIGITS", "root_mean_square", "sketch", "step_digests", "thumbnails"]

FULL = 64
"""Latents of up to so many numbers an image are kept whole."""

ROWS = 32
"""Of a projection: the size of a difference is known to sqrt(2 / 32) = 25% an image."""

BLOCKS = 8
DIGITS = 16


def sketch(x: Tensor) -> NDArray[np.float64]:
    """Latents [K, P, C, h, w] -> [K, P, d], of the same root mean square (Johnson and Lindenstrauss 1984).

    Linear: the sketch of a difference is the difference of the sketches.
    """
    rows = x.flatten(2).double().cpu().numpy()
    return rows if rows.shape[2] <= FULL else np.asarray(rows @ _projection(rows.shape[2]))


def root_mean_square(sketches: NDArray[np.float64]) -> NDArray[np.float64]:
    """Of sketches [K, P, d]: the largest of any image, [K]."""
    return np.asarray(np.sqrt((sketches**2).mean(axis=2)).max(axis=1))


def step_digests(x: Tensor) -> list[str]:
    """A digest of the bits of each step: K strings from [K, P, C, h, w]."""
    steps = x.cpu().contiguous().view(torch.uint8)  # bfloat16 has no like in NumPy
    return [digest_bytes(step.numpy().tobytes())[:DIGITS] for step in steps]


def thumbnails(images: NDArray[np.uint8]) -> NDArray[np.float32] | NDArray[np.uint8]:
    """Means of blocks, [n, h, w, 3] with h, w <= 8; images uint8 [n, H, W, 3] as they are where so small."""
    if max(images.shape[1:3]) <= BLOCKS:
        return images
    pixels = torch.from_numpy(images).permute(0, 3, 1, 2).float()
    size = min(pixels.shape[2], BLOCKS), min(pixels.shape[3], BLOCKS)
    return torch.nn.functional.adaptive_avg_pool2d(pixels, size).permute(0, 2, 3, 1).contiguous().numpy()


@cache
def _projection(size: int) -> NDArray[np.float64]:
    signs = np.random.default_rng(size).integers(0, 2, size=(size, ROWS)) * 2 - 1
    return np.asarray(signs / np.sqrt(size))
