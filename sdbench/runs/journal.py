"""How fast the work goes on, for those who look at a run from outside: RUN/journal/<number>_<id>.json.

One file for each time that work was done in the run. Seconds are those of a clock that only goes forward, and
files are ordered by number, so a computer's clock may jump.
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
from sdbench.core.timing import now
from sdbench.runs.store import Store

__all__ = ["Journal", "JournalEntry", "last_entry", "read_entries"]

FOLDER = "journal"
SECONDS_BETWEEN_WRITES = 5.0
SECONDS_BETWEEN_SIGNS = 30.0


@dataclass(frozen=True)
class JournalEntry:
    """One time that work was done: `images` in `seconds`; `updated` is the time of day of the last word.

    Until it has ended, there is a word every 30 seconds, however long a unit takes.
    """

    started: str
    updated: str
    executor: str
    images: int
    seconds: float
    ended: bool

    @property
    def rate(self) -> float | None:
        """Images a second; None before the first ones."""
        return self.images / self.seconds if self.images and self.seconds > 0 else None


class Journal:
    """Writes the file of the session that lasts as long as a `with` block.

    An error that ends the block is not replaced by one of the journal, which nobody needs to go on.
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
        # Two sessions that begin together take one number, hence the rest of the name.
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
        """Work begins, if it has not: from now on there are signs of life."""
        if self._signs is None:
            self._write()
            # A thread, since a unit may take longer than those who look will wait.
            self._signs = Thread(target=self._give_signs, daemon=True)
            self._signs.start()

    def made(self, images: int) -> None:
        """So many more images are in the store."""
        with self._lock:
            made = self._entry.images + images
            self._entry = replace(self._entry, images=made, seconds=self._seconds())
        if monotonic() - self._written >= SECONDS_BETWEEN_WRITES:
            self._write()

    def _give_signs(self) -> None:
        while not self._ended.wait(SECONDS_BETWEEN_SIGNS):
            with suppress(StoreError):  # the work will meet it too
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
    """All sessions in the order in which they began. StoreError where a file is damaged."""
    return [_read(store, name) for name in sorted(store.names(FOLDER))]


def last_entry(store: Store) -> JournalEntry | None:
    """The latest session that made images; None where none did. StoreError where a file is damaged."""
    latest = (_read(store, name) for name in sorted(store.names(FOLDER), reverse=True))
    return next((session for session in latest if session.images), None)


def _read(store: Store, name: str) -> JournalEntry:
    key = f"{FOLDER}/{name}"
    data = store.read(key)
    try:
        return JournalEntry(**json.loads(data))
    except (ValueError, TypeError):
        raise StoreError(f"{store.where(key)}: damaged; delete it") from None


def _number(name: str) -> int:
    digits = name.partition("_")[0]
    return int(digits) if digits.isdigit() else 0
