"""A run in an object store, or anywhere else that fsspec can access."""

from __future__ import annotations

import io
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO

import fsspec

from sdbench.core.errors import InputError, StoreError, one_line
from sdbench.core.files import TEMPORARY

__all__ = ["FsspecStore"]

WHOLE_PUTS = frozenset({"abfs", "az", "gcs", "gs", "memory", "oci", "oss", "s3", "s3a"})
"""Schemes whose objects appear only when they are complete.

With other schemes an object is written to a temporary key and moved. If the library of the scheme can rename
(sftp, hdfs, smb), that is atomic; otherwise fsspec copies and deletes, and a reader may see a partial object.
"""

EXTRAS = {"s3": "s3", "s3a": "s3", "gs": "gcs", "gcs": "gcs"}
"""The extra of this package that installs the library of a scheme."""


class FsspecStore:
    """The keys under a URL such as s3://bucket/run."""

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        scheme = url.partition("://")[0]
        try:
            # Listings are never cached, because other processes write to the same run.
            self._fs, root = fsspec.core.url_to_fs(self.url, use_listings_cache=False)
        except (ImportError, ValueError) as error:
            extra = EXTRAS.get(scheme)
            install = f": pip install 'sdbench[{extra}]'" if extra else ""
            raise InputError(f"run {url}: {one_line(error)}{install}") from None
        self._root = str(root).rstrip("/")
        self._whole_puts = scheme in WHOLE_PUTS

    def where(self, key: str) -> str:
        """Return the URL of a key."""
        return f"{self.url}/{key}"

    def exists(self, key: str) -> bool:
        """Whether the key has been written completely."""
        with self._reporting(key, "cannot be looked up"):
            return bool(self._fs.isfile(self._path(key)))

    def names(self, folder: str) -> frozenset[str]:
        """Return the names of the keys directly in `folder`."""
        return self._entries(folder, "file")

    def folders(self, folder: str) -> frozenset[str]:
        """Return the names of the folders directly in `folder`."""
        return self._entries(folder, "directory")

    def temporaries(self) -> list[str]:
        """Return the keys of writes that were begun and never finished, sorted; none if puts are atomic."""
        if self._whole_puts:
            return []
        with self._reporting("", "cannot be listed"):
            found = self._fs.find(self._root)
        return sorted(path.removeprefix(f"{self._root}/") for path in found if path.endswith(TEMPORARY))

    def open(self, key: str) -> BinaryIO:
        """Open a key as a seekable stream; all bytes are fetched at once."""
        return io.BytesIO(self.read(key))

    def read(self, key: str) -> bytes:
        """Return all bytes of a key, fetched at once, so that a lost connection never looks like damage."""
        with self._reporting(key, "cannot be read"):
            found: bytes = self._fs.cat_file(self._path(key))
            return found

    def tail(self, key: str, size: int) -> bytes:
        """Return the last `size` bytes of a key, or all if it has fewer."""
        with self._reporting(key, "cannot be read"):
            found: bytes = self._fs.cat_file(self._path(key), start=-size)
            return found

    def write(self, key: str, data: bytes, *, durable: bool = True) -> None:
        """Put the object, which is always durable.

        A reader sees either the old bytes or the new ones, except with schemes that copy (see WHOLE_PUTS).
        """
        target = self._path(key)
        with self._reporting(key, "cannot be written"):
            if self._whole_puts:
                self._fs.pipe_file(target, data)
                return
            folder, _, name = target.rpartition("/")
            aside = f"{folder}/.{name}.{uuid.uuid4().hex}{TEMPORARY}"
            self._fs.makedirs(folder, exist_ok=True)
            self._fs.pipe_file(aside, data)
            self._fs.mv(aside, target)

    def delete(self, key: str) -> None:
        """Delete the object of a key."""
        with self._reporting(key, "cannot be deleted"):
            self._fs.rm_file(self._path(key))

    def _path(self, key: str) -> str:
        return f"{self._root}/{key}" if key else self._root

    def _entries(self, folder: str, kind: str) -> frozenset[str]:
        with self._reporting(folder, "cannot be listed"):
            try:
                found: list[dict[str, Any]] = self._fs.ls(self._path(folder), detail=True)
            except (FileNotFoundError, NotADirectoryError):
                return frozenset()
        names = (entry["name"].rstrip("/").rpartition("/")[2] for entry in found if entry["type"] == kind)
        return frozenset(name for name in names if not name.endswith(TEMPORARY))

    @contextmanager
    def _reporting(self, key: str, what: str) -> Iterator[None]:
        """Turn all errors in the block into StoreError: the library of each scheme raises its own types."""
        try:
            yield
        except Exception as error:
            raise StoreError(
                f"{self.where(key)}: {what}: {one_line(error) or type(error).__name__}"
            ) from None
