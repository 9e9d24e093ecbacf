"""The PNGs of a run: images/<cell>/<prompt id>.png, for the first prompts of each cell.

Threads encode and write them while the model works on; compression releases Python's global lock.
"""

from __future__ import annotations

import io
from collections import deque
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
from PIL import Image

from sdbench.data.prompts import Prompt
from sdbench.runs.plan import Unit
from sdbench.runs.store import Store

__all__ = ["ImageStore", "ImageWriter", "as_png", "image_key"]

COMPRESSION = 3
"""zlib level; half the time of the default, 6, for a sixth more bytes on average, and as lossless."""

WRITERS = 2
AHEAD = 64
"""Images that may wait to be written. Beyond that the model waits, so a slow disk cannot fill the memory."""


def as_png(image: np.ndarray) -> bytes:
    """Return an image uint8 [H, W, 3] as the bytes of a PNG file."""
    sink = io.BytesIO()
    Image.fromarray(image).save(sink, "PNG", compress_level=COMPRESSION)
    return sink.getvalue()


def image_key(cell: str, prompt_id: str) -> str:
    """Return the store key of a prompt's image; `cell` is its cell's folder name."""
    return f"images/{cell}/{prompt_id}.png"


class ImageStore:
    """Keeps the first `kept` images of each cell."""

    def __init__(self, store: Store, kept: int) -> None:
        self._store = store
        self.kept = kept

    def begin(self, unit: Unit, start: int, pixels: np.ndarray, writing: ImageWriter) -> None:
        """Begin writing a batch of the unit's images, those that are kept.

        Args:
            unit: The unit that the images belong to.
            start: Index within the unit of the first image of the batch.
            pixels: The batch, uint8 [B, H, W, 3].
            writing: Encodes and writes the images.
        """
        for prompt, image in zip(self._wanted(unit)[start:], pixels, strict=False):
            writing.begin(self._store, image_key(unit.cell.folder, prompt.id), image)

    def complete(self, units: Iterable[Unit]) -> list[Unit]:
        """Return the units whose kept images are all stored. Lists each cell's folder once."""
        listed: dict[str, frozenset[str]] = {}
        complete = []
        for unit in units:
            wanted = self._wanted(unit)
            folder = unit.cell.folder
            if wanted and folder not in listed:
                listed[folder] = self._store.names(f"images/{folder}")
            if all(f"{prompt.id}.png" in listed[folder] for prompt in wanted):
                complete.append(unit)
        return complete

    def _wanted(self, unit: Unit) -> tuple[Prompt, ...]:
        return unit.chunk.prompts[: max(0, self.kept - unit.chunk.start)]


class ImageWriter:
    """Encodes images and writes them to a store on background threads."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(WRITERS, "png")
        self._under_way: deque[Future[None]] = deque()

    def begin(self, store: Store, key: str, image: np.ndarray) -> None:
        """Queue an image uint8 [H, W, 3] under `key`; block while too many are queued.

        Raises:
            StoreError: An earlier image could not be written.
        """
        while len(self._under_way) >= AHEAD:
            self._under_way.popleft().result()
        self._under_way.append(self._pool.submit(_write, store, key, image))

    def wait(self) -> None:
        """Wait until all queued images are written; raise StoreError if one could not be."""
        while self._under_way:
            self._under_way.popleft().result()

    def close(self) -> None:
        """Drop the images that are not begun and wait for the others."""
        self._pool.shutdown(cancel_futures=True)


def _write(store: Store, key: str, image: np.ndarray) -> None:
    # Not flushed to disk: a file lost to a power failure shows, since the shard has the pixels' digest.
    store.write(key, as_png(image), durable=False)
