"""Features of reference sets on this machine, shared by all runs: ${SDBENCH_HOME}/reference.

An entry is a Parquet file under the digest of all that determines its values. Entries are written aside and
renamed, and a missing or damaged one is measured again, so several processes may read, write and delete.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sdbench.core import environment
from sdbench.core.errors import InputError, StoreError
from sdbench.core.files import TEMPORARY
from sdbench.core.progress import Note
from sdbench.models.home import home
from sdbench.runs.reference_features import read_features, reference_key, write_features
from sdbench.runs.store import LocalStore

__all__ = ["LIMIT_VARIABLE", "Entry", "ReferenceCache", "cache_folder", "cached_files", "size_limit"]

LIMIT_VARIABLE = "SDBENCH_CACHE_GB"
"""Names the gigabytes (10^9 bytes) that the cache may take; 0 turns it off."""

DEFAULT_GB = "8"

LONGEST_WRITE = 3600
"""Seconds after which an unfinished write belongs to a process that has died."""


@dataclass(frozen=True)
class Entry:
    """A file of the cache: its size in bytes, and when it was last used, in seconds since 1970."""

    path: Path
    size: int
    used: float

    @property
    def in_progress(self) -> bool:
        """Whether another process may be writing it."""
        return self.path.name.endswith(TEMPORARY) and time.time() - self.used < LONGEST_WRITE


def cache_folder() -> Path:
    """Return the folder of the cache."""
    return home() / "reference"


def size_limit() -> int:
    """Return the bytes that the cache may take; InputError if the variable is not a number from 0 on."""
    given = os.environ.get(LIMIT_VARIABLE) or DEFAULT_GB
    try:
        gigabytes = float(given)
    except ValueError:
        gigabytes = -1.0
    if not 0 <= gigabytes < 1e9:  # also refuses nan
        raise InputError(f"{LIMIT_VARIABLE}={given}: not a number of gigabytes such as 8 or 0.5; 0 is none")
    return int(gigabytes * 1e9)


class ReferenceCache:
    """The cache as a process that computes on `device` sees it.

    The last bit of features may depend on device, packages and threads, so these are part of an entry's
    identity: a run has the same values with and without the cache. A folder that cannot be used costs a note.
    """

    def __init__(self, device: str, note: Note) -> None:
        import torch

        self._note = note
        self._limit = size_limit()
        self._machine = {
            "device": environment.device_name(device),
            "versions": environment.versions(),
            "threads": torch.get_num_threads(),
        }

    def read(self, extractor: str, stamp: Mapping[str, Any]) -> np.ndarray | None:
        """Return the features float32 [m, d] with this identity; None if there are none, or none whole."""
        identity = {**stamp, **self._machine}
        path = home() / reference_key(extractor, identity)
        if not self._limit or not path.is_file():
            return None
        try:
            features = read_features(LocalStore(home()), extractor, identity)
        except (InputError, StoreError) as error:
            if not isinstance(error.__context__, FileNotFoundError):  # deleted meanwhile by another process
                self._note(f"{path}: cannot be read; the reference images are measured again")
            return None
        with suppress(OSError):  # another process deleted it, or the folder is read-only
            os.utime(path)
        return features

    def write(self, extractor: str, stamp: Mapping[str, Any], features: np.ndarray) -> None:
        """Add the features, then delete the least recently used files beyond the limit."""
        if features.nbytes > self._limit:
            return
        try:
            write_features(LocalStore(home()), extractor, {**stamp, **self._machine}, features)
        except (InputError, StoreError) as error:
            self._note(f"features of the reference images are not cached: {error}")
            return
        room = self._limit
        for entry in cached_files():
            room -= entry.size
            if room < 0 and not entry.in_progress:
                with suppress(OSError):  # another process deleted it first
                    entry.path.unlink()


def cached_files() -> list[Entry]:
    """Return the files of the cache, unfinished writes included, the last used first."""
    entries = []
    with suppress(OSError):  # no cache yet
        for path in cache_folder().iterdir():
            with suppress(OSError):  # another process deleted it
                about = path.stat()
                entries.append(Entry(path, about.st_size, about.st_mtime))
    return sorted(entries, key=lambda entry: (-entry.used, entry.path))
