"""Stores: a run folder as keys and bytes, on a disk or in an object store. Writing is all or nothing.

To add a kind of store, write a class with the methods of `Store`. Keys are relative paths with forward
slashes, such as "shards/CELL/UNIT.parquet".
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, Protocol

from sdbench.core.errors import InputError
from sdbench.core.paths import typed_path
from sdbench.runs.store.local import LocalStore

__all__ = [
    "READERS",
    "LocalStore",
    "Store",
    "existing_store",
    "is_run",
    "is_there",
    "is_url",
    "listing_once",
    "open_store",
]

READERS = 16
"""Number of keys that are read at a time, since a store may be far away."""


class Store(Protocol):
    """The interface of a store. Names that end in .tmp belong to unfinished writes and are never keys.

    All methods that access data raise StoreError if that fails; the message names the key.
    """

    @property
    def url(self) -> str:
        """The argument with which `open_store` opens this store in another process."""

    def where(self, key: str) -> str:
        """Return the path or URL of a key, to be shown."""

    def exists(self, key: str) -> bool:
        """Whether the key has been written completely."""

    def names(self, folder: str) -> frozenset[str]:
        """Return the names of the keys directly in `folder`; none if it does not exist."""

    def folders(self, folder: str) -> frozenset[str]:
        """Return the names of the folders directly in `folder`; none if it does not exist."""

    def temporaries(self) -> list[str]:
        """Return the keys of writes that were begun and never finished."""

    def open(self, key: str) -> BinaryIO:
        """Open a key as a seekable stream."""

    def read(self, key: str) -> bytes:
        """Return all bytes of a key."""

    def tail(self, key: str, size: int) -> bytes:
        """Return the last `size` bytes of a key, or all if it has fewer."""

    def write(self, key: str, data: bytes, *, durable: bool = True) -> None:
        """Write `data` under `key`, replacing old bytes; a reader sees either the old bytes or the new ones.

        `durable` waits until the data is on disk.
        """

    def delete(self, key: str) -> None:
        """Delete an existing key."""


def listing_once(store: Store) -> Callable[[str], bool]:
    """Return a test whether a key is stored; it lists each folder once, when first asked about it."""
    listed: dict[str, frozenset[str]] = {}

    def is_stored(key: str) -> bool:
        folder, _, name = key.rpartition("/")
        if folder not in listed:
            listed[folder] = store.names(folder)
        return name in listed[folder]

    return is_stored


def is_url(place: str | Path) -> bool:
    """Whether `place` is the URL of an object store rather than a folder."""
    return "://" in str(place) and not str(place).startswith("file://")


def is_there(place: str | Path) -> bool:
    """Whether a folder exists; always true for an object store, whose folders do not exist by themselves."""
    return is_url(place) or _folder(place).is_dir()


def open_store(place: str | Path) -> Store:
    """Open the store at a folder's path or at a URL such as s3://bucket/run or gs://bucket/run.

    Raises:
        InputError: The folder cannot be created, the URL's scheme is unknown, or its library is missing.
    """
    if not is_url(place):
        return LocalStore(_folder(place))
    from sdbench.runs.store.remote import FsspecStore

    return FsspecStore(str(place))


def is_run(place: str) -> bool:
    """Return whether what the user typed names a run: a folder with a spec, or a URL."""
    return is_url(place) or os.path.isfile(typed_path(place) / "spec.yaml")


def existing_store(place: str | Path) -> Store:
    """Open a store like `open_store`, but raise InputError if a folder does not exist."""
    if not is_there(place):
        raise InputError(f"{place} is not a run folder")
    return open_store(place)


def _folder(place: str | Path) -> Path:
    return Path(str(place).removeprefix("file://"))
