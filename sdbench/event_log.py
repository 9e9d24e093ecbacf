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
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from sdbench.errors import InputError, one_line

__all__ = ["EventLog"]


class EventLog:
    """Appends to a file for the length of a `with` block, whose end is the last event.

    InputError where the file cannot be opened, which is before the first image.
    """

    def __init__(self, path: Path) -> None:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._stream = path.open("a", encoding="utf-8", buffering=1)  # a line is there once it is said
        except OSError as error:
            raise InputError(f"--log {path}: {error.strerror}") from None

    def write(self, event: str, **facts: Any) -> None:
        """Append a line."""
        time = datetime.now(UTC).isoformat(timespec="milliseconds")
        self._stream.write(json.dumps({"time": time, "event": event, **facts}) + "\n")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.write("end", how=_how(error))
        self._stream.close()


def _how(error: BaseException | None) -> str:
    if error is None:
        return "done"
    return "interrupted" if isinstance(error, KeyboardInterrupt) else one_line(error)
