"""The speed of a run's work, for other processes to read: RUN/journal/<number>_<id>.json.

A session is one time that work was done in the run; each has a file. Durations come from a monotonic clock,
and files are ordered by number, so the computer's clock may jump.
"""

from __future__ import annotations

import json
import uuid
from contextlib import nullcontext, suppress
from dataclasses import asdict, dataclass, replace
from threading import Event, Lock, Thread
from time import monotonic
from types import TracebackType
from typing import Any, Self

from sdbench.core.errors import StoreError
from sdbench.core.json import load_json
from sdbench.core.timing import now
from sdbench.runs.store import Store

__all__ = ["Journal", "JournalEntry", "last_entry", "read_entries"]

FOLDER = "journal"
SECONDS_BETWEEN_WRITES = 5.0
SECONDS_BETWEEN_SIGNS = 30.0


@dataclass(frozen=True)
class JournalEntry:
    """What the journal says of one session: it made `images` images in `seconds`.

    `updated` is the time of the last write. Until the session ends, it is written every 30 seconds at least,
    however long a unit takes.
    """

    started: str
    updated: str
    executor: str
    images: int
    seconds: float
    ended: bool

    @property
    def rate(self) -> float | None:
        """Images per second; None before the first image."""
        return self.images / self.seconds if self.images and self.seconds > 0 else None


class Journal:
    """Writes the entry of the session that a `with` block spans.

    If an error ends the block, errors of the journal are suppressed: the run can resume without it.
    """

    def __init__(self, store: Store, executor: str) -> None:
        self._store = store
        self._began = monotonic()
        self._written = self._began
        self._entry = JournalEntry(now(), now(), executor, 0, 0.0, False)
        self._lock = Lock()
        self._ended = Event()
        self._signs: Thread | None = None
        number = max((_number(name) for name in store.names(FOLDER)), default=0) + 1
        # Sessions that begin at the same time take the same number; the suffix tells them apart.
        self._key = f"{FOLDER}/{number:06d}_{uuid.uuid4().hex[:8]}.json"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        if self._signs is None:
            return
        self._signs.join()
        with nullcontext() if error is None else suppress(StoreError):
            self._write(seconds=self._seconds(), ended=True)

    def begin(self) -> None:
        """Write the entry, and from now on a sign of life every 30 seconds. Further calls do nothing."""
        if self._signs is None:
            self._write()
            # A thread, because a unit may take longer than readers wait.
            self._signs = Thread(target=self._give_signs, daemon=True)
            self._signs.start()

    def made(self, images: int) -> None:
        """Count `images` more images as stored."""
        with self._lock:
            made = self._entry.images + images
            self._entry = replace(self._entry, images=made, seconds=self._seconds())
        if monotonic() - self._written >= SECONDS_BETWEEN_WRITES:
            self._write()

    def _give_signs(self) -> None:
        while not self._ended.wait(SECONDS_BETWEEN_SIGNS):
            with suppress(StoreError):  # the work's own writes will fail too
                self._write()

    def _seconds(self) -> float:
        return round(monotonic() - self._began, 3)

    def _write(self, **changes: Any) -> None:
        with self._lock:
            self._written = monotonic()
            self._entry = replace(self._entry, updated=now(), **changes)
            text = json.dumps(asdict(self._entry), indent=2) + "\n"
            self._store.write(self._key, text.encode(), durable=False)


def read_entries(store: Store) -> list[JournalEntry]:
    """Return the entries of all sessions in the order they began; raise StoreError if a file is damaged."""
    return [_read(store, name) for name in sorted(store.names(FOLDER))]


def last_entry(store: Store) -> JournalEntry | None:
    """Return the latest entry with images, or None; raise StoreError if a file is damaged."""
    latest = (_read(store, name) for name in sorted(store.names(FOLDER), reverse=True))
    return next((entry for entry in latest if entry.images), None)


def _read(store: Store, name: str) -> JournalEntry:
    key = f"{FOLDER}/{name}"
    data = store.read(key)
    try:
        return JournalEntry(**load_json(data))
    except (ValueError, TypeError):
        raise StoreError(f"{store.where(key)}: damaged; delete it") from None


def _number(name: str) -> int:
    digits = name.partition("_")[0]
    return int(digits) if digits.isdigit() else 0
