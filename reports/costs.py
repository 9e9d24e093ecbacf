"""What the cells of a run cost in time."""

from __future__ import annotations

import pandas as pd

from reports.rows import CELL
from reports.runs import Run

__all__ = ["seconds_per_image"]


def seconds_per_image(run: Run) -> pd.DataFrame | None:
    """Return CELL and seconds of those cells whose time per image the manifest knows; None where of none."""
    if "seconds_per_image" not in run.cells.columns:
        return None
    timed = run.results[[*CELL, "cell"]].drop_duplicates()
    timed = timed.merge(run.cells[["cell", "seconds_per_image"]].dropna(), on="cell")
    return timed.rename(columns={"seconds_per_image": "seconds"})[[*CELL, "seconds"]] if len(timed) else None
