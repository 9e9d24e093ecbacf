"""The output folder: samples/00000.png, grid-0000.png, numbered after existing files."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torchvision.utils import make_grid

from sdbench.core.errors import InputError
from sdbench.runs.images import as_png
from sdbench.runs.store import LocalStore

__all__ = ["OutputFolder", "image_grid"]


class OutputFolder:
    """An output folder with the original scripts' file names. Files appear once complete; none is replaced.

    Numbering continues after the highest existing number; the original counts files and may replace some.
    """

    def __init__(self, root: Path) -> None:
        self.samples = root / "samples"
        try:
            self.samples.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"--outdir {root}: {error.strerror}") from None
        self._store = LocalStore(root)
        self._next_sample = _after_highest(self.samples, r"(\d{5,})\.png")
        self._next_grid = _after_highest(root, r"grid-(\d{4,})\.png")

    def save_sample(self, image: np.ndarray) -> Path:
        """Save an image uint8 [H, W, 3] under the next number."""
        key = f"samples/{self._next_sample:05}.png"
        self._next_sample += 1
        return self._save(key, image)

    def save_grid(self, image: np.ndarray) -> Path:
        """Save a grid uint8 [H, W, 3] under the next number of grids."""
        key = f"grid-{self._next_grid:04}.png"
        self._next_grid += 1
        return self._save(key, image)

    def _save(self, key: str, image: np.ndarray) -> Path:
        self._store.write(key, as_png(image), durable=False)
        return self._store.path(key)


def _after_highest(folder: Path, pattern: str) -> int:
    found = (re.fullmatch(pattern, path.name) for path in folder.iterdir())
    return max((int(match[1]) + 1 for match in found if match), default=0)


def image_grid(images: Sequence[np.ndarray], columns: int) -> np.ndarray:
    """Arrange images uint8 [H, W, 3] in rows of `columns`, with black borders of two pixels.

    A single image is returned without a border.
    """
    stacked = torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2)
    return make_grid(stacked, nrow=columns).permute(1, 2, 0).contiguous().numpy()
