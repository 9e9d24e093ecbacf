"""The PNGs of a run: images/<cell>/<prompt id>.png, the first ones of each cell by prompt order."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from sdbench.plan import Unit
from sdbench.prompts import Prompt
from sdbench.store import LocalStore

__all__ = ["ImageStore", "as_png"]


def as_png(image: np.ndarray) -> bytes:
    """An image uint8 [H, W, 3] as the bytes of a PNG file."""
    sink = io.BytesIO()
    Image.fromarray(image).save(sink, "PNG")
    return sink.getvalue()


class ImageStore:
    """The first `kept` images of each cell."""

    def __init__(self, store: LocalStore, kept: int) -> None:
        self._store = store
        self.kept = kept

    def write(self, unit: Unit, start: int, pixels: np.ndarray) -> None:
        """Keep what the policy keeps of the unit's images from `start` on: uint8 [B, H, W, 3]."""
        for prompt, image in zip(self._wanted(unit)[start:], pixels, strict=False):
            # The shard holds the digest of the pixels, so a file lost to a power failure can be noticed.
            self._store.write(_key(unit, prompt), as_png(image), durable=False)

    def complete(self, unit: Unit) -> bool:
        """Whether every image of the unit that is to be kept is there."""
        return all(self._store.exists(_key(unit, prompt)) for prompt in self._wanted(unit))

    def _wanted(self, unit: Unit) -> tuple[Prompt, ...]:
        return unit.chunk.prompts[: max(0, self.kept - unit.chunk.start)]


def _key(unit: Unit, prompt: Prompt) -> str:
    return f"images/{unit.cell.folder}/{prompt.id}.png"
