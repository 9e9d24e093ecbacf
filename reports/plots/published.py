"""The look of the picture that came with Stable Diffusion v1: to lay one over the other.

Title and axis titles are that picture's, and the limits those that its library gives to its points. Its
colours, markers and the place of its legend are not recorded with the figures: the library's defaults stand
in for them.
"""

from __future__ import annotations

from typing import Any

import matplotlib
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from reports.plots.sheet import new_sheet, settle
from reports.rows import first_protocol, plane
from reports.style import RC

__all__ = ["published_look"]

_KEPT: tuple[Any, ...] = ("font.family", "svg.hashsalt", "savefig.dpi", "text.parse_math")


def published_look(results: pd.DataFrame) -> Figure:
    """Draw the curves of the results as the published picture shows its own: nothing but lines and markers.

    Raises ReportError where there is no distance or no score.
    """
    points = plane(results)
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update({name: RC[name] for name in _KEPT})
        figure = new_sheet(8, 6)
        axes = figure.subplots()
        for name, curve in points.groupby("curve", sort=False):
            ordered = curve.sort_values("guidance_scale")
            axes.plot(ordered["x"], ordered["y"], "-o", label=str(name))
        _name_axes(axes, results)
        axes.grid(True)
        axes.legend()
        settle(figure)
    return figure


def _name_axes(axes: Axes, results: pd.DataFrame) -> None:
    """Give the published words where they are true of the results, else the protocols' own."""
    x = results[results["protocol"] == first_protocol(results, "higher")].iloc[0]
    y = results[results["protocol"] == first_protocol(results, "lower")].iloc[0]
    distance = "FID" if str(y["label"]).startswith("FID") else str(y["label"]).split(" (")[0]
    same_score = str(x["protocol"]) in ("clip-score-published", "clip-score-vit-l-14")
    axes.set_title(f"{distance} vs CLIP Scores on {x['image_size']} samples")
    axes.set_xlabel("CLIP Score (ViT-L/14)" if same_score else str(x["label"]))
    axes.set_ylabel(f"{distance} Score ({_count(int(y['n']))})")


def _count(n: int) -> str:
    """Return 10000 as "10k"."""
    return f"{n // 1000}k" if n % 1000 == 0 else f"n = {n:,}"
