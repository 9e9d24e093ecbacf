"""Progress on stderr.

A terminal shows a progress bar, below a table of cells if the work has cells. Logs and pipes get a line
every few seconds; a notebook gets a bar in its output.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, TextIO

from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, TaskID, TextColumn
from rich.progress import Progress as Bar
from rich.table import Table
from rich.text import Text

from sdbench.core.notebook import NotebookDisplay, notebook_shell
from sdbench.core.terminal import VERBOSITY, Verbosity, in_terminal, say

__all__ = ["CellShare", "Display", "LineDisplay", "RichDisplay", "cells_table", "display_for", "plain"]

SECONDS_BETWEEN_LINES = 10.0
STAGES = "▁▂▃▄▅▆▇█"
LINES_FOR_THE_REST = 4
"""Lines that are not rows of the table: the heading, the bar, and the count of hidden rows."""


@dataclass(frozen=True)
class CellShare:
    """A cell's row and column in the table, and the share of its images that is done, 0 to 1."""

    row: str
    column: str
    share: float


class Display(Protocol):
    """Shows progress and messages."""

    def note(self, text: str) -> None:
        """Print a permanent line."""

    def update(self, words: str, done: float, total: float, cells: Sequence[CellShare] = ()) -> None:
        """Show that `done` of `total` is done, a description of the current work, and each cell's share."""

    def close(self) -> None:
        """Stop updating; the last state stays visible."""


class SilentDisplay:
    """Shows nothing."""

    def note(self, text: str) -> None: ...

    def update(self, words: str, done: float, total: float, cells: Sequence[CellShare] = ()) -> None: ...

    def close(self) -> None: ...


class LineDisplay:
    """Prints plain lines for logs and pipes: at most one every few seconds, and one at the end."""

    def __init__(self, stream: TextIO, every: float = SECONDS_BETWEEN_LINES) -> None:
        self._stream = stream
        self._every = every
        self._last = -every
        self._ended = False

    def note(self, text: str) -> None:
        say(text, file=self._stream)

    def update(self, words: str, done: float, total: float, cells: Sequence[CellShare] = ()) -> None:
        now = time.monotonic()
        ended = done >= total
        if now - self._last >= self._every or (ended and not self._ended):
            self._last = now
            self.note(words)
        self._ended = ended

    def close(self) -> None: ...


class RichDisplay:
    """Draws a progress bar with a description, below a table of cells if the work has cells."""

    def __init__(self, stream: TextIO) -> None:
        words = TextColumn("{task.description}", markup=False)
        self._console = Console(file=stream)
        self._bar = Bar(BarColumn(bar_width=20), words, console=self._console, auto_refresh=False)
        self._task: TaskID | None = None
        self._cells: Sequence[CellShare] = ()
        self._live = Live(get_renderable=self._picture, console=self._console, refresh_per_second=4)

    def note(self, text: str) -> None:
        self._console.print(in_terminal(text), markup=False, highlight=False)

    def update(self, words: str, done: float, total: float, cells: Sequence[CellShare] = ()) -> None:
        self._cells = cells
        if self._task is None:
            self._task = self._bar.add_task(words, total=total)
            self._live.start()
        self._bar.update(self._task, description=words, completed=done, total=total)

    def close(self) -> None:
        self._live.stop()

    def _picture(self) -> Group:
        parts = [cells_table(self._cells, self._console.height)] if self._cells else []
        return Group(*parts, self._bar)


def cells_table(cells: Sequence[CellShare], height: int) -> Group:
    """Return a table with a row for each curve of the plan and a mark for each guidance scale.

    The table fits into `height` lines. If it would be longer, finished and waiting rows are hidden first,
    and a line says how many are hidden.
    """
    columns = list(dict.fromkeys(cell.column for cell in cells))
    rows: dict[str, dict[str, float]] = {}
    for cell in cells:
        rows.setdefault(cell.row, {})[cell.column] = cell.share
    shown = _worth_showing(rows, max(1, height - LINES_FOR_THE_REST))
    table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False, header_style="dim")
    table.add_column("", no_wrap=True)
    for column in columns:
        table.add_column(column, justify="center", no_wrap=True)
    table.add_column("", justify="right", no_wrap=True)
    for name in shown:
        shares = rows[name]
        marks = [_mark(shares[column]) if column in shares else Text("") for column in columns]
        table.add_row(name, *marks, f"{int(100 * sum(shares.values()) / len(shares))}%")
    hidden = [name for name in rows if name not in shown]
    return Group(table, *([Text(_about(hidden, rows), style="dim")] if hidden else []))


def _worth_showing(rows: dict[str, dict[str, float]], room: int) -> list[str]:
    """Choose the rows to show: running before waiting before finished ones. Return them in table order."""
    if len(rows) <= room:
        return list(rows)
    finished = {name for name, shares in rows.items() if min(shares.values()) >= 1}
    begun = {name for name, shares in rows.items() if max(shares.values()) > 0} - finished
    order = sorted(rows, key=lambda name: (name not in begun, name in finished))
    return [name for name in rows if name in order[:room]]


def _about(hidden: Sequence[str], rows: dict[str, dict[str, float]]) -> str:
    finished = sum(1 for name in hidden if min(rows[name].values()) >= 1)
    words = [(finished, "finished"), (len(hidden) - finished, "to come")]
    return "and " + ", ".join(f"{count} {what}" for count, what in words if count)


def _mark(share: float) -> Text:
    if share >= 1:
        return Text("✓", style="green")
    if share <= 0:
        return Text("·", style="dim")
    return Text(STAGES[int(share * len(STAGES))], style="cyan")


def plain(text: str) -> Text:
    """The text as it is: rich reads brackets in strings as styles."""
    return Text(in_terminal(text))


def display_for(stream: TextIO | None = None) -> Display:
    """Return the right display for `stream` (default: stderr, or the output of a notebook)."""
    if VERBOSITY.get() is Verbosity.QUIET:
        return SilentDisplay()
    if stream is None and notebook_shell() is not None:
        return NotebookDisplay()
    stream = stream or sys.stderr
    return RichDisplay(stream) if stream.isatty() else LineDisplay(stream)
