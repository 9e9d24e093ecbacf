"""The PNGs of a run: images/<cell>/<prompt id>.png, for the first prompts of each cell.

Threads encode and write them while the model works on; compression releases Python's global lock.
"""

from __future__ import annotations

import io
from collections import deque
from collections.abc import Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
from PIL import Image

from sdbench.core.digest import digest_pixels
from sdbench.core.errors import StoreError, one_line
from sdbench.data.prompts import Prompt
from sdbench.runs.plan import Unit
from sdbench.runs.store import READERS, Store, listing_once

__all__ = ["ImageStore", "ImageWriter", "as_png", "image_key", "png_pixels"]

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


def png_pixels(data: bytes) -> np.ndarray:
    """Return the pixels of a PNG file, uint8 [H, W, 3]; raise ValueError if it cannot be decoded."""
    try:
        with Image.open(io.BytesIO(data)) as image:
            return np.asarray(image.convert("RGB"))
    except (OSError, SyntaxError, ValueError) as error:
        raise ValueError(f"cannot be decoded ({one_line(error)})") from None


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

    def keeps_all(self, unit: Unit) -> bool:
        """Return whether every image of the unit is kept."""
        return self.kept >= unit.chunk.end

    def read(self, unit: Unit, sha256: Sequence[str]) -> np.ndarray | str:
        """Return the pixels of a unit's images, uint8 [n, H, W, 3], or what is wrong with one of them.

        An image is wrong if its PNG is missing or damaged, or holds other pixels than those of the digests.
        """
        keys = [image_key(unit.cell.folder, prompt.id) for prompt in unit.chunk.prompts]

        def pixels_of(key: str, expected: str) -> np.ndarray | str:
            try:
                pixels = png_pixels(self._store.read(key))
            except (StoreError, ValueError) as error:
                return str(error) if isinstance(error, StoreError) else f"{self._store.where(key)}: {error}"
            changed = digest_pixels(pixels) != expected
            return f"{self._store.where(key)}: its pixels are not those that were made" if changed else pixels

        with ThreadPoolExecutor(READERS) as pool:
            found = list(pool.map(pixels_of, keys, sha256))
        wrong = next((one for one in found if isinstance(one, str)), None)
        return wrong or np.stack([one for one in found if not isinstance(one, str)])

    def complete(self, units: Iterable[Unit]) -> list[Unit]:
        """Return the units whose kept images are all stored. Lists each cell's folder once."""
        is_stored = listing_once(self._store)
        return [
            unit
            for unit in units
            if all(is_stored(image_key(unit.cell.folder, prompt.id)) for prompt in self._wanted(unit))
        ]

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
