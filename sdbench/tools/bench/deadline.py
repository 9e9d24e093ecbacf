"""The time limit of a benchmark."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["Deadline", "TimeOver"]


class TimeOver(BaseException):
    """Raised inside a part when the time is up; not an Exception, because compilers catch those."""


class Deadline:
    """A moment `minutes` from now; None sets no limit."""

    def __init__(self, minutes: float | None) -> None:
        self.reason = f"the limit of {minutes:g} minutes was reached" if minutes is not None else ""
        self._end = None if minutes is None else time.monotonic() + 60 * minutes

    @property
    def over(self) -> bool:
        """Whether the time is up."""
        return self._end is not None and time.monotonic() >= self._end

    @contextmanager
    def stopping(self) -> Iterator[None]:
        """Raise TimeOver in the block when the time is up; a library call in progress returns first."""
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
