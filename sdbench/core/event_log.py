"""The events of a run as JSON lines, for other programs: one line per event, appended and never rewritten.

Every line has `time` (UTC) and `event`, one of:
    start  cells, images, found: the run begins; `found` of its images exist already
    stage  stage, seconds: a stage of the run has finished
    unit   cell, unit, images, seconds, parts, batch_sizes, device: a shard has been stored
    note   text: a line was shown to the user
    end    how: done, interrupted, or the error that ended the run
"""

from __future__ import annotations

import json
from contextlib import nullcontext, suppress
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from sdbench.core.errors import InputError, StoreError, one_line

__all__ = ["EventLog"]


class EventLog:
    """Appends events to a file. Use it in a `with` block, whose end is logged as the last event.

    Raises:
        InputError: The file cannot be opened; known before the first image is made.
        StoreError: The file cannot be written. If another error ends the block, that error is raised instead.
    """

    def __init__(self, path: Path) -> None:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            # Unbuffered: each line is in the file at once, and closing does not retry a failed write.
            self._stream = path.open("ab", buffering=0)
        except OSError as error:
            raise InputError(f"--log {path}: {error.strerror}") from None
        self._path = path

    def write(self, event: str, **facts: Any) -> None:
        """Append a line for `event`."""
        time = datetime.now(UTC).isoformat(timespec="milliseconds")
        line = (json.dumps({"time": time, "event": event, **facts}) + "\n").encode()
        try:
            while line:  # a write may store only the first part
                line = line[self._stream.write(line) :]
        except OSError as failure:
            raise StoreError(f"--log {self._path}: cannot be written: {failure.strerror}") from None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._stream, nullcontext() if error is None else suppress(StoreError):
            self.write("end", how=_how(error))


def _how(error: BaseException | None) -> str:
    if error is None:
        return "done"
    return "interrupted" if isinstance(error, KeyboardInterrupt) else one_line(error)
