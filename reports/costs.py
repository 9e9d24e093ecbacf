"""The time that images of each cell took."""

from __future__ import annotations

import pandas as pd

from reports.runs import Run

__all__ = ["seconds_per_image"]


def seconds_per_image(run: Run) -> pd.DataFrame | None:
    """Return cell and seconds of the cells whose time per image the manifest has; None if it has none."""
    timed = run.cells[["cell", "seconds_per_image"]].dropna()
    return timed.rename(columns={"seconds_per_image": "seconds"}) if len(timed) else None
