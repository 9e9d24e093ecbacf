"""The time that a benchmark may take in all."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["Deadline", "TimeOver"]


class TimeOver(BaseException):
    """Raised in the midst of a part when the time is used up; no Exception, since compilers catch those."""


class Deadline:
    """So many minutes from now; None for no end."""

    def __init__(self, minutes: float | None) -> None:
        self.reason = f"{minutes:g} minutes were over" if minutes is not None else ""
        self._end = None if minutes is None else time.monotonic() + 60 * minutes

    @property
    def over(self) -> bool:
        """Whether the time is used up."""
        return self._end is not None and time.monotonic() >= self._end

    @contextmanager
    def stopping(self) -> Iterator[None]:
        """Raise TimeOver inside at the end of the time; a long call of a library comes back first."""
        if self._end is None:
            yield
            return

        def stop(*_: object) -> None:
            raise TimeOver

        before = signal.signal(signal.SIGALRM, stop)
        signal.setitimer(signal.ITIMER_REAL, max(self._end - time.monotonic(), 1e-3))
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)
