"""Scores prompt by prompt: on which prompts one cell is better than another."""

from __future__ import annotations

import math

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from reports.plots.sheet import new_sheet, settle
from reports.prompt_scores import Pair
from reports.style import RC
from reports.wording import INTERVAL

__all__ = ["prompt_differences"]

#: Letters of the title that fit into one line.
_WIDE = 76


def prompt_differences(pair: Pair) -> Figure:
    """Draw the differences between two cells over their common prompts, sorted and as a histogram."""
    gaps = np.sort(pair.differences)
    a, b = pair.styles
    with matplotlib.rc_context(RC):
        figure = new_sheet(9, 4.8)
        ranks, histogram = figure.subplots(1, 2, width_ratios=(3, 2))
        places = np.arange(1, gaps.size + 1)
        for style, side, name in ((b, gaps < 0, pair.b), (a, gaps >= 0, pair.a)):
            label = f"better: {name}"
            ranks.fill_between(places, gaps, where=side, step="mid", color=style.colour, label=label)
        ranks.set_xlabel("prompts, sorted by difference")
        ranks.set_ylabel(f"difference of {pair.protocol}")
        _histogram(histogram, gaps, (b.colour, a.colour))
        histogram.set_xlabel(f"difference of {pair.protocol}")
        histogram.set_ylabel("prompts")
        ranks.set_title(f"better for {int((gaps > 0).sum()):,} of {gaps.size:,} prompts", fontsize=10.5)
        histogram.set_title(_mean(gaps), fontsize=10.5)
        figure.suptitle(_title(pair), x=0.01, ha="left", fontsize=12.5, fontweight="bold")
        figure.legend(*ranks.get_legend_handles_labels(), loc="outside lower center", ncols=1)
        settle(figure)
    return figure


def _histogram(axes: Axes, gaps: NDArray[np.float64], colours: tuple[str, str]) -> None:
    """Draw a histogram with a bin edge at 0, so that each bar belongs to one cell."""
    width = (gaps[-1] - gaps[0]) / 24 or 1.0
    edges = np.arange(math.floor(gaps[0] / width), math.ceil(gaps[-1] / width) + 1) * width
    counted, _ = np.histogram(gaps, np.append(edges, edges[-1] + width))
    axes.bar(edges, counted, width, align="edge", color=[colours[int(edge >= 0)] for edge in edges])
    axes.axvline(float(gaps.mean()), color="#222222", linewidth=1.2)


def _title(pair: Pair) -> str:
    """Return both names, in two lines if they are long."""
    title = f"{pair.a} minus {pair.b}"
    return title if len(title) <= _WIDE else f"{pair.a}\nminus {pair.b}"


def _mean(gaps: NDArray[np.float64]) -> str:
    half = INTERVAL * float(gaps.std(ddof=1)) / math.sqrt(gaps.size)
    return f"mean {gaps.mean():+.4f} ± {half:.4f} (95%)"
