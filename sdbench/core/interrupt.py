"""Ctrl-C: the first one lets the work under way end, the second one does not wait."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

__all__ = ["stopping"]


@contextmanager
def stopping(note: Callable[[str], None]) -> Iterator[Callable[[], bool]]:
    """Within the block, yield a function that says whether the user wants to stop; `note` confirms it."""
    asked = threading.Event()
    if threading.current_thread() is not threading.main_thread():  # only that one may catch signals
        yield asked.is_set
        return

    def first(number: int, frame: FrameType | None) -> None:
        asked.set()
        signal.signal(signal.SIGINT, before)
        note("stopping after the units under way; press Ctrl-C again to stop at once")

    before = signal.signal(signal.SIGINT, first)
    try:
        yield asked.is_set
    finally:
        signal.signal(signal.SIGINT, before)
