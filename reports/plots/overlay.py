"""Published curves behind those of a run, with a note on how the two differ."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes

from reports.errors import ReportError
from reports.rows import first_protocol, plane
from reports.wording import count_range

__all__ = ["draw_overlay", "overlay_note"]

#: Beginnings of the protocols that have the axes of the Stable Diffusion v1 plot.
_SAME_DISTANCE = ("fid-inception", "fid-published")
_SAME_SCORE = ("clip-score-vit-l-14", "clip-score-published")
_MARKERS = ("o", "s", "^", "D")
_GREY = "#9b9b9b"


def draw_overlay(axes: Axes, overlay: pd.DataFrame) -> None:
    """Draw the published curves as thin grey lines with hollow markers."""
    for place, (name, curve) in enumerate(plane(overlay).groupby("curve", sort=False)):
        axes.plot(
            curve["x"],
            curve["y"],
            color=_GREY,
            marker=_MARKERS[place % len(_MARKERS)],
            markersize=4.5,
            markerfacecolor="white",
            linestyle=(0, (4, 2)),
            linewidth=1,
            label=f"{name}, published",
            zorder=1.5,
        )


def overlay_note(results: pd.DataFrame, overlay: pd.DataFrame) -> str:
    """Return how the run differs from the published one.

    Raises:
        ReportError: The axes of the run are other quantities, and the comparison would mislead.
    """
    distance, score = first_protocol(results, "lower"), first_protocol(results, "higher")
    if not distance.startswith(_SAME_DISTANCE) or not score.startswith(_SAME_SCORE):
        raise ReportError(
            f"the published curves cannot be drawn behind {distance} and {score}: they need an FID of "
            "Inception features and a CLIP score of ViT-L/14"
        )
    differing = [
        f"{words}: {ours} here, {theirs} published"
        for words, ours, theirs in (
            ("images per point", _n(results, distance), _n(overlay, first_protocol(overlay, "lower"))),
            ("sampler", _sampler(results), _sampler(overlay)),
            ("pixels", _pixels(results), _pixels(overlay)),
        )
        if ours != theirs
    ]
    parts = [
        "grey: as published, where resizing, captions and reference images are not documented",
        *differing,
    ]
    return " · ".join(parts)


def _n(results: pd.DataFrame, protocol: str) -> str:
    return count_range(results.loc[results["protocol"] == protocol, "n"])


def _sampler(results: pd.DataFrame) -> str:
    return ", ".join(dict.fromkeys(results["sampler"].str.upper() + " " + results["steps"].astype(str)))


def _pixels(results: pd.DataFrame) -> str:
    return ", ".join(dict.fromkeys(results["image_size"])).replace("x", "×")
