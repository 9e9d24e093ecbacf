"""The PNGs of a run: images/<cell>/<prompt id>.png, the first ones of each cell by prompt order.

They are encoded and written by threads beside the model: the compression lets go of Python's lock.
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
"""Half the time of zlib's default, 6, for a sixth more bytes on average; the pixels are the same."""

WRITERS = 2
AHEAD = 64
"""So many images may wait to be written; then the model waits, so that a slow disk fills no memory."""


def as_png(image: np.ndarray) -> bytes:
    """An image uint8 [H, W, 3] as the bytes of a PNG file."""
    sink = io.BytesIO()
    Image.fromarray(image).save(sink, "PNG", compress_level=COMPRESSION)
    return sink.getvalue()


def image_key(cell: str, prompt_id: str) -> str:
    """Where the image of a prompt lies in a store; `cell` is the folder of its cell."""
    return f"images/{cell}/{prompt_id}.png"


class ImageStore:
    """The first `kept` images of each cell."""

    def __init__(self, store: Store, kept: int) -> None:
        self._store = store
        self.kept = kept

    def begin(self, unit: Unit, start: int, pixels: np.ndarray, writing: ImageWriter) -> None:
        """Begin to write what is kept of the unit's images from `start` on: uint8 [B, H, W, 3]."""
        for prompt, image in zip(self._wanted(unit)[start:], pixels, strict=False):
            writing.begin(self._store, image_key(unit.cell.folder, prompt.id), image)

    def complete(self, units: Iterable[Unit]) -> list[Unit]:
        """Those of the units of which every image that is to be kept is there; one listing a cell."""
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
    """Images on their way into a store."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(WRITERS, "png")
        self._under_way: deque[Future[None]] = deque()

    def begin(self, store: Store, key: str, image: np.ndarray) -> None:
        """Encode and write an image uint8 [H, W, 3] some time; waits while too many are under way.

        Raises StoreError where an earlier one could not be written.
        """
        while len(self._under_way) >= AHEAD:
            self._under_way.popleft().result()
        self._under_way.append(self._pool.submit(_write, store, key, image))

    def wait(self) -> None:
        """Wait until all are written; StoreError where one could not be."""
        while self._under_way:
            self._under_way.popleft().result()

    def close(self) -> None:
        """Forget what is not begun, wait for what is."""
        self._pool.shutdown(cancel_futures=True)


def _write(store: Store, key: str, image: np.ndarray) -> None:
    # The shard holds the digest of the pixels, so a file lost to a power failure can be noticed.
    store.write(key, as_png(image), durable=False)
