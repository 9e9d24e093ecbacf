"""A run in a local folder, or on a disk that several machines share."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from sdbench.errors import InputError, StoreError
from sdbench.files import TEMPORARY, write_whole

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
        """The absolute path: a worker need not start in this process's working directory."""
        return str(self.root.resolve())

    def path(self, key: str) -> Path:
        """The file of a key."""
        return self.root / key

    def where(self, key: str) -> str:
        """The path of a key in words."""
        return str(self.path(key))

    def exists(self, key: str) -> bool:
        """Whether the key has been written, which means completely."""
        return self.path(key).is_file()

    def names(self, folder: str) -> frozenset[str]:
        """The names of the keys that lie directly in `folder`."""
        return frozenset(
            entry.name
            for entry in self._entries(folder)
            if entry.is_file() and not entry.name.endswith(TEMPORARY)
        )

    def folders(self, folder: str) -> frozenset[str]:
        """The names of the folders that lie directly in `folder`."""
        return frozenset(entry.name for entry in self._entries(folder) if entry.is_dir())

    def temporaries(self) -> list[str]:
        """The keys of writes that were begun and never ended, sorted."""
        found = (path for path in self.root.rglob(f".*{TEMPORARY}") if path.is_file())
        return sorted(path.relative_to(self.root).as_posix() for path in found)

    def open(self, key: str) -> BinaryIO:
        """The bytes of a key as a seekable stream; StoreError where it cannot be opened."""
        try:
            return self.path(key).open("rb")
        except OSError as error:
            raise StoreError(f"{self.path(key)}: {error.strerror}") from None

    def read(self, key: str) -> bytes:
        """All bytes of a key; StoreError where they cannot be had."""
        try:
            return self.path(key).read_bytes()
        except OSError as error:
            raise StoreError(f"{self.path(key)}: {error.strerror}") from None

    def tail(self, key: str, size: int) -> bytes:
        """The last `size` bytes of a key, all of them where it has fewer."""
        with self.open(key) as stream:
            stream.seek(max(0, stream.seek(0, os.SEEK_END) - size))
            return stream.read()

    def write(self, key: str, data: bytes, *, durable: bool = True) -> None:
        """Write aside, then rename, as `write_whole`."""
        write_whole(self.path(key), data, durable=durable)

    def delete(self, key: str) -> None:
        """Remove the file of a key, and its folder where it was the last one there."""
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
