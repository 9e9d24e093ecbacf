"""Progress of making images and of training: counted here, shown by a display."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Self

from sdbench.core.console import Display
from sdbench.core.timing import duration

__all__ = ["ImageProgress", "Note", "Progress", "TrainingProgress", "pace"]

Note = Callable[[str], None]
"""Takes a line for the user to read, such as `Progress.note`."""


class Progress:
    """Keeps a display open during a `with` block. Without a display, nothing is shown."""

    def __init__(self, display: Display | None) -> None:
        self._display = display

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._display is not None:
            self._display.close()

    def note(self, text: str) -> None:
        """Show a permanent line."""
        if self._display is not None:
            self._display.note(text)

    def show(self, words: list[str], done: float, total: float) -> None:
        """Show that `done` of `total` is done, with `words` beside the bar."""
        if self._display is not None:
            self._display.update(", ".join(words), done, total)


class TrainingProgress(Progress):
    """Shows the current part of a training, its steps, the latest loss and the time left for this part."""

    def __init__(self, display: Display | None = None) -> None:
        super().__init__(display)
        self._part = ""
        self._first = 0
        self._began = 0.0

    def __call__(self, part: str, done: int, total: int, loss: float) -> None:
        """Report that `done` of the `total` steps of `part` are done; `loss` 0 means that it has none."""
        if part != self._part:
            self._part, self._first, self._began = part, done, time.monotonic()
        words = [f"{part}: {done}/{total}"] + ([f"loss {loss:.4f}"] if loss else [])
        rate = pace("steps", done - self._first, total - done, self._began)
        self.show(words + rate, done, total)


class ImageProgress(Progress):
    """Shows how many images are made, the step of the current batch, the rate and the time left."""

    def __init__(self, display: Display | None = None) -> None:
        super().__init__(display)
        self._total = self._made = 0
        self._began = 0.0

    def notes(self, lines: Iterable[str]) -> None:
        """Show each line, permanently."""
        for line in lines:
            self.note(f"note: {line}")

    def start(self, images: int) -> None:
        """Report that work on this number of images begins."""
        self._total, self._made, self._began = images, 0, time.monotonic()

    def step(self, batch: int, done: int, total: int) -> None:
        """Report that `done` of `total` steps are done for a batch of `batch` images."""
        self._update(self._made + batch * done / total, [f"step {done}/{total}"])

    def within(self, images: float) -> None:
        """Report how many images, as a fraction, are done beyond those that `finished` has counted."""
        self._update(self._made + images, [])

    def finished(self, batch: int) -> None:
        """Report that `batch` more images are finished."""
        self._made += batch
        self._update(self._made, [])

    def _update(self, images: float, words: list[str]) -> None:
        rate = pace("images", images, self._total - images, self._began)
        self.show([f"{self._made}/{self._total} images", *words, *rate], images, self._total)


def pace(what: str, made: float, left: float, began: float) -> list[str]:
    """Return the rate since `began` and the time left at that rate, as words for a progress bar.

    Args:
        what: What is counted: "images", "steps".
        made: The number made since `began`. While it is 0, the result is empty.
        left: The number to make.
        began: The start, by `time.monotonic`.
    """
    elapsed = time.monotonic() - began
    if made <= 0 or elapsed <= 0:
        return []
    rate = made / elapsed
    return [f"{rate:.3g} {what}/s", f"{duration(left / rate)} left"]
