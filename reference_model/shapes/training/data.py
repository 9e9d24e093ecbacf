"""The training set: rendered once, kept in a file, read by index."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from reference_model.shapes.dataset import aesthetic, high_resolution, web_batch
from reference_model.shapes.training.loop import Report, cached

__all__ = ["TrainingSet", "half_size", "render", "to_float"]

CHUNK = 2000


@dataclass(frozen=True)
class TrainingSet:
    """Scenes of the web distribution: images uint8 [n, 64, 64, 3], captions, subsets as indices."""

    images: Tensor
    captions: list[str]
    high_resolution: Tensor
    aesthetic: Tensor


def render(count: int, seed: int, path: Path, report: Report) -> TrainingSet:
    """Draw ``count`` scenes into the file ``path``, unless it has them already, and return them."""
    return TrainingSet(**cached(path, partial(_drawn, count, seed, report)))


def _drawn(count: int, seed: int, report: Report) -> dict[str, Any]:
    batches = []
    for start in range(0, count, CHUNK):
        batches.append(web_batch(start, min(CHUNK, count - start), seed))
        report("scenes", min(count, start + CHUNK), count, 0.0)
    sharp = np.concatenate([high_resolution(b) for b in batches])
    pleasing = np.concatenate([aesthetic(b) for b in batches])
    return {
        "images": torch.from_numpy(np.concatenate([b.images for b in batches])),
        "captions": [caption for b in batches for caption in b.captions],
        "high_resolution": torch.from_numpy(np.flatnonzero(sharp)),
        "aesthetic": torch.from_numpy(np.flatnonzero(pleasing)),
    }


def to_float(images: Tensor) -> Tensor:
    """uint8 [B, H, W, 3] -> float32 [B, 3, H, W] in [-1, 1], channels last in memory."""
    return images.permute(0, 3, 1, 2).float() / 127.5 - 1.0


def half_size(images: Tensor) -> Tensor:
    """Average 2 x 2 pixels: [B, 3, H, W] -> [B, 3, H/2, W/2]."""
    return F.avg_pool2d(images, 2)
