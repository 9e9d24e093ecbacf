"""What stderr shows while something long goes on: a bar on a terminal, a line every few seconds elsewhere."""

from __future__ import annotations

import sys
import time
from typing import Protocol, TextIO

from rich.console import Console
from rich.progress import BarColumn, TaskID, TextColumn
from rich.progress import Progress as Bar

__all__ = ["Display", "LineDisplay", "RichDisplay", "display_for"]

SECONDS_BETWEEN_LINES = 10.0


class Display(Protocol):
    """Something that can say a line and show how far the work is."""

    def note(self, text: str) -> None:
        """Say a line that stays."""

    def update(self, words: str, done: float, total: float) -> None:
        """Show that `done` of `total` is done, and what is under way in words."""

    def close(self) -> None:
        """Leave the last state standing."""


class LineDisplay:
    """Plain lines for logs and pipes: at most one every few seconds, and one when all is done."""

    def __init__(self, stream: TextIO, every: float = SECONDS_BETWEEN_LINES) -> None:
        self._stream = stream
        self._every = every
        self._last = -every
        self._said = ""

    def note(self, text: str) -> None:
        print(text, file=self._stream, flush=True)

    def update(self, words: str, done: float, total: float) -> None:
        now = time.monotonic()
        due = done >= total or now - self._last >= self._every
        if due and words != self._said:
            self._last, self._said = now, words
            self.note(words)

    def close(self) -> None: ...


class RichDisplay:
    """A bar that moves, with the words beside it."""

    def __init__(self, stream: TextIO) -> None:
        words = TextColumn("{task.description}", markup=False)
        self._bar = Bar(BarColumn(bar_width=30), words, console=Console(file=stream))
        self._task: TaskID | None = None

    def note(self, text: str) -> None:
        self._bar.console.print(text, markup=False, highlight=False)

    def update(self, words: str, done: float, total: float) -> None:
        if self._task is None:
            self._task = self._bar.add_task(words, total=total)
            self._bar.start()
        self._bar.update(self._task, description=words, completed=done, total=total)

    def close(self) -> None:
        self._bar.stop()


def display_for(stream: TextIO | None = None) -> Display:
    """The display that suits `stream` (default: stderr)."""
    stream = stream or sys.stderr
    return RichDisplay(stream) if stream.isatty() else LineDisplay(stream)
