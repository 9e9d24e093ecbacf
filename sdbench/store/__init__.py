"""A run folder as keys and bytes, on a disk or in an object store. Writing is all or nothing.

A new kind of store is another class with the methods of `Store`. Keys are relative paths with forward
slashes, such as "shards/CELL/UNIT.parquet".
"""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO, Protocol

from sdbench.errors import InputError
from sdbench.store.local import LocalStore

__all__ = ["READERS", "LocalStore", "Store", "existing_store", "is_there", "is_url", "open_store"]

READERS = 16
"""So many keys are read at a time, since a store may be far away."""


class Store(Protocol):
    """What the harness asks of a store. Names that end in .tmp are writes under way, never keys."""

    @property
    def url(self) -> str:
        """What `open_store` takes, in another process too."""

    def where(self, key: str) -> str:
        """Where a key lies, for people."""

    def exists(self, key: str) -> bool:
        """Whether the key has been written, which means completely."""

    def names(self, folder: str) -> frozenset[str]:
        """The names of the keys that lie directly in `folder`; empty where there is no such folder."""

    def folders(self, folder: str) -> frozenset[str]:
        """The names of the folders that lie directly in `folder`; empty where there is no such folder."""

    def temporaries(self) -> list[str]:
        """The keys of writes that were begun and never ended."""

    def open(self, key: str) -> BinaryIO:
        """The bytes of a key as a seekable stream; StoreError where they cannot be had."""

    def read(self, key: str) -> bytes:
        """All bytes of a key; StoreError where they cannot be had."""

    def tail(self, key: str, size: int) -> bytes:
        """The last `size` bytes of a key, all of them where it has fewer."""

    def write(self, key: str, data: bytes, *, durable: bool = True) -> None:
        """Write `data` under `key`, replacing what is there; a reader sees the old bytes or the new ones.

        `durable` waits until a disk has them. StoreError names the key where it cannot be written.
        """

    def delete(self, key: str) -> None:
        """Remove a key that is there; StoreError where that cannot be done."""


def is_url(place: str | Path) -> bool:
    """Whether `place` names an object store and not a folder."""
    return "://" in str(place) and not str(place).startswith("file://")


def is_there(place: str | Path) -> bool:
    """Whether a folder exists; of an object store that cannot be said."""
    return is_url(place) or _folder(place).is_dir()


def open_store(place: str | Path) -> Store:
    """The store at a folder's path or at a URL such as s3://bucket/run or gs://bucket/run.

    InputError where the folder cannot be made, the URL's scheme is unknown or its library is missing.
    """
    if not is_url(place):
        return LocalStore(_folder(place))
    from sdbench.store.remote import FsspecStore

    return FsspecStore(str(place))


def existing_store(place: str | Path) -> Store:
    """As `open_store`; InputError where a folder is not there."""
    if not is_there(place):
        raise InputError(f"{place} is not a run folder")
    return open_store(place)


def _folder(place: str | Path) -> Path:
    return Path(str(place).removeprefix("file://"))
