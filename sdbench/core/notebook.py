"""Notebooks: whether the code runs in one, and progress in its output."""

from __future__ import annotations

import sys
from html import escape
from typing import Any

from sdbench.core.terminal import say

__all__ = ["NotebookDisplay", "notebook_shell"]


def notebook_shell() -> Any | None:
    """Return the shell of the notebook that runs this code; None elsewhere, also in IPython's terminal."""
    if "IPython" not in sys.modules:
        return None
    shell = sys.modules["IPython"].get_ipython()
    return shell if hasattr(shell, "kernel") else None


class NotebookDisplay:
    """Shows one bar that is updated in place, and messages as lines of the output."""

    def __init__(self) -> None:
        self._handle: Any = None

    def note(self, text: str) -> None:
        say(text)

    def update(self, words: str, done: float, total: float, cells: object = ()) -> None:
        from IPython.display import HTML, display

        picture = HTML(f'<progress value="{done:g}" max="{total:g}"></progress> {escape(words)}')
        if self._handle is None:
            self._handle = display(picture, display_id=True)
        else:
            self._handle.update(picture)

    def close(self) -> None: ...
