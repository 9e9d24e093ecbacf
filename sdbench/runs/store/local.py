"""A run in a local folder, or on a disk that several machines share."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from sdbench.core.errors import InputError, StoreError
from sdbench.core.files import TEMPORARY, write_whole

__all__ = ["LocalStore"]


class LocalStore:
    """A local folder."""

    def __init__(self, root: Path) -> None:
        self.root = root
        try:
            root.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"run folder {root}: {error.strerror}") from None

    @property
    def url(self) -> str:
        """The absolute path, since a worker may have another working directory."""
        return str(self.root.resolve())

    def path(self, key: str) -> Path:
        """Return the file of a key."""
        return self.root / key

    def where(self, key: str) -> str:
        """Return the path of a key, to be shown."""
        return str(self.path(key))

    def exists(self, key: str) -> bool:
        """Whether the key has been written completely."""
        return self.path(key).is_file()

    def names(self, folder: str) -> frozenset[str]:
        """Return the names of the keys directly in `folder`."""
        return frozenset(
            entry.name
            for entry in self._entries(folder)
            if entry.is_file() and not entry.name.endswith(TEMPORARY)
        )

    def folders(self, folder: str) -> frozenset[str]:
        """Return the names of the folders directly in `folder`."""
        return frozenset(entry.name for entry in self._entries(folder) if entry.is_dir())

    def temporaries(self) -> list[str]:
        """Return the keys of writes that were begun and never finished, sorted."""
        found = (path for path in self.root.rglob(f".*{TEMPORARY}") if path.is_file())
        return sorted(path.relative_to(self.root).as_posix() for path in found)

    def open(self, key: str) -> BinaryIO:
        """Open a key as a seekable stream."""
        try:
            return self.path(key).open("rb")
        except OSError as error:
            raise StoreError(f"{self.path(key)}: {error.strerror}") from None

    def read(self, key: str) -> bytes:
        """Return all bytes of a key."""
        try:
            return self.path(key).read_bytes()
        except OSError as error:
            raise StoreError(f"{self.path(key)}: {error.strerror}") from None

    def tail(self, key: str, size: int) -> bytes:
        """Return the last `size` bytes of a key, or all if it has fewer."""
        with self.open(key) as stream:
            stream.seek(max(0, stream.seek(0, os.SEEK_END) - size))
            return stream.read()

    def write(self, key: str, data: bytes, *, durable: bool = True) -> None:
        """Write aside, then rename, as `write_whole`."""
        write_whole(self.path(key), data, durable=durable)

    def delete(self, key: str) -> None:
        """Delete the file of a key, and its folder if that is empty then."""
        try:
            self.path(key).unlink()
        except OSError as error:
            raise StoreError(f"{self.path(key)}: cannot be deleted: {error.strerror}") from None
        with suppress(OSError):  # not empty
            self.path(key).parent.rmdir()

    def _entries(self, folder: str) -> list[os.DirEntry[str]]:
        try:
            with os.scandir(self.root / folder) as entries:
                return list(entries)
        except (FileNotFoundError, NotADirectoryError):
            return []
        except OSError as error:
            raise StoreError(f"{self.root / folder}: {error.strerror}") from None
