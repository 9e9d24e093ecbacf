"""What happens in a run as JSON lines, for other programs: a line per event, appended and never rewritten.

Every line has `time` (UTC) and `event`:
    start  cells, images, found: the work begins, `found` of its images are there already
    stage  stage, seconds: a stage of the run is over
    unit   cell, unit, images, seconds, parts, batch_sizes, device: a shard is in the store
    note   text: a line that people were shown
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
    """Appends to a file for the length of a `with` block, whose end is the last event.

    InputError where the file cannot be opened, which is before the first image; StoreError where it cannot
    be written later on, unless another error is what ends the block.
    """

    def __init__(self, path: Path) -> None:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            # Without a buffer: a line is there once it is said, and closing does not try a failed one again.
            self._stream = path.open("ab", buffering=0)
        except OSError as error:
            raise InputError(f"--log {path}: {error.strerror}") from None
        self._path = path

    def write(self, event: str, **facts: Any) -> None:
        """Append a line."""
        time = datetime.now(UTC).isoformat(timespec="milliseconds")
        line = (json.dumps({"time": time, "event": event, **facts}) + "\n").encode()
        try:
            while line:  # a disk may take the first part alone
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
