"""A run folder as keys and bytes. Writing is all or nothing: aside first, then renamed.

The harness asks no more of a store than these four methods, so another kind (an object store) is another
class with the same ones.
"""

from __future__ import annotations

import os
import uuid
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from sdbench.errors import InputError, StoreError

__all__ = ["LocalStore"]


class LocalStore:
    """A local folder. Keys are relative paths with forward slashes, such as "shards/CELL/UNIT.parquet"."""

    def __init__(self, root: Path) -> None:
        self.root = root
        try:
            root.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"run folder {root}: {error.strerror}") from None

    def path(self, key: str) -> Path:
        """Where a key lies."""
        return self.root / key

    def exists(self, key: str) -> bool:
        """Whether the key has been written, which means completely."""
        return self.path(key).is_file()

    def open(self, key: str) -> BinaryIO:
        """The bytes of a key as a seekable stream; StoreError where it cannot be opened."""
        try:
            return self.path(key).open("rb")
        except OSError as error:
            raise StoreError(f"{self.path(key)}: {error.strerror}") from None

    def write(self, key: str, data: bytes, *, durable: bool = True) -> None:
        """Write `data` under `key`, replacing what is there; a reader sees the old bytes or the new ones.

        `durable` waits until the disk has them, so that a rename never outlives its data in a power
        failure. StoreError names the file when the disk is full or the folder cannot be written.
        """
        target = self.path(key)
        aside = target.with_name(f".{target.name}.{uuid.uuid4().hex}.tmp")
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            with aside.open("xb") as stream:
                stream.write(data)
                if durable:
                    stream.flush()
                    os.fsync(stream.fileno())
            aside.replace(target)
        except OSError as error:
            raise StoreError(f"{target}: cannot be written: {error.strerror}") from None
        finally:
            with suppress(OSError):  # what went wrong has been said above
                aside.unlink(missing_ok=True)
