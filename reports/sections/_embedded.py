"""Tables of the run inside the page, so that a page sent by mail still has them."""

from __future__ import annotations

import base64

from reports.runs import Run

__all__ = ["embedded"]

#: Larger tables stay beside the page, which may take 15 MB.
_MOST_BYTES = 1_000_000


def embedded(run: Run, name: str) -> str:
    """Return the address of a table of the run folder: its bytes as a data URI, or a path if it is large."""
    path = run.folder / name
    if path.stat().st_size > _MOST_BYTES:
        return f"../{name}"
    return f"data:text/csv;base64,{base64.b64encode(path.read_bytes()).decode('ascii')}"
