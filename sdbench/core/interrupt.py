"""Ctrl-C: the first one lets running units finish, the second one stops at once."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

__all__ = ["stopping"]


@contextmanager
def stopping(note: Callable[[str], None]) -> Iterator[Callable[[], bool]]:
    """Catch the first Ctrl-C in the block; yield a function that tells whether it was pressed.

    `note` shows the user a confirmation. Outside the main thread, where Python cannot catch signals, the
    function always returns False.
    """
    asked = threading.Event()
    if threading.current_thread() is not threading.main_thread():
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
