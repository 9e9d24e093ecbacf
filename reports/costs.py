"""The time that images of each cell took."""

from __future__ import annotations

import pandas as pd

from reports.runs import Run

__all__ = ["seconds_per_image", "times_differ"]

#: What the time of an image depends on, beside the machine's other work.
_SETTINGS = ["checkpoint", "sampler", "nfe", "image_size", "precision", "batch_size", "device"]
#: Smallest ratio of typical times that is worth a plot.
_RATIO = 1.1


def seconds_per_image(run: Run) -> pd.DataFrame | None:
    """Return cell and seconds of the cells whose time per image the manifest has; None if it has none."""
    timed = run.cells[["cell", "seconds_per_image"]].dropna()
    return timed.rename(columns={"seconds_per_image": "seconds"}) if len(timed) else None


def times_differ(results: pd.DataFrame, seconds: pd.DataFrame) -> bool:
    """Whether cells of different settings differ in time by more than cells of equal settings do.

    Equal settings take equal time, so their spread is the noise of the machine: the ratio of the typical
    times (medians) of two settings must be at least 1.1 and exceed the largest ratio within one setting.
    """
    timed = results.drop_duplicates("cell").merge(seconds[["cell", "seconds"]], on="cell")
    times = timed.groupby([timed[name].astype("str") for name in _SETTINGS])["seconds"]
    typical, noise = times.median(), (times.max() / times.min()).max()
    return bool(typical.max() / typical.min() >= max(_RATIO, noise)) if len(typical) > 1 else False
