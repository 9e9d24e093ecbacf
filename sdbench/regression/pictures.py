"""Figures of a check: the error of each step against its budget, and the images that differ most."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Sequence
from typing import Any

import matplotlib
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from reports.style import RC, curve_styles
from sdbench.regression.verdicts import CaseResult

__all__ = ["error_plot", "worst_images"]

WORST = 4
SMALLEST = 1e-9
"""Plotted instead of 0 on the logarithmic axis."""

STYLES = curve_styles(("x", "pred_x0"))
BEYOND = "#B00020"
LETTERS = 78
"""Letters of a prompt per line above its images."""


def error_plot(results: Sequence[CaseResult]) -> bytes:
    """Plot root mean square differences of x and pred_x0 from the baseline, one panel per case; PNG."""
    with matplotlib.rc_context(RC):
        columns = min(3, len(results))
        rows = -(-len(results) // columns)
        figure = _figure(max(4.2 * columns, 7.0), 2.6 * rows + 0.9)
        panels = figure.subplots(rows, columns, squeeze=False).flat
        for axes, result in zip(panels, results, strict=False):
            _draw_errors(axes, result)
        for axes in list(figure.axes)[len(results) :]:
            axes.set_visible(False)
        figure.supxlabel("sampler step", fontsize=10.5)
        figure.supylabel("RMS difference from the baseline", fontsize=10.5)
        figure.legend(handles=_keys(), loc="outside upper left", ncols=4, fontsize=9.5)
        return _png(figure)


def worst_images(result: CaseResult, prompts: Sequence[str]) -> bytes:
    """Show the traced prompts whose images differ most: baseline, now, and the amplified difference; PNG."""
    apart = np.abs(result.images.astype(int) - result.baseline_images)
    worst = np.argsort(-apart.mean(axis=(1, 2, 3)), kind="stable")[:WORST]
    factor = max(1, 255 // max(1, int(apart[worst].max())))
    with matplotlib.rc_context(RC):
        figure = _figure(7.0, 2.85 * len(worst) + 0.6)
        for part, prompt in zip(figure.subfigures(len(worst), 1, squeeze=False).flat, worst, strict=True):
            before, now = result.baseline_images[prompt], result.images[prompt]
            levels = apart[prompt].max()
            shown = (before, now, (apart[prompt] * factor).astype(np.uint8))
            for axes, pixels, label in zip(
                part.subplots(1, 3), shown, ("baseline", "now", f"up to {levels} of 255"), strict=True
            ):
                _draw_image(axes, pixels, label)
            words = textwrap.fill(prompts[prompt], LETTERS)
            part.suptitle(words, x=0.01, horizontalalignment="left", fontsize=10, fontweight="bold")
        amplified = f"|now - baseline| times {factor}" if factor > 1 else "|now - baseline|"
        figure.suptitle(
            f"{result.case.name}: {result.verdict}, first step {result.first_step}\n"
            f"baseline · now · {amplified}",
            fontsize=10.5,
        )
        return _png(figure)


def _draw_errors(axes: Any, result: CaseResult) -> None:
    for name, errors in result.errors.items():
        steps, style = np.arange(1, len(errors) + 1), STYLES[name]
        axes.plot(steps, np.maximum(errors, SMALLEST), color=style.colour, marker=style.marker, ms=3)
        axes.plot(steps, result.budget[name], color=style.colour, linestyle="--", linewidth=1)
    if any((result.errors[name] > result.budget[name]).any() for name in result.errors):
        axes.axvline(int(result.first_step), color=BEYOND, linewidth=1)
    axes.set_yscale("log")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_title(f"{result.case.name}: {result.verdict}", fontsize=9)


def _keys() -> list[Line2D]:
    """Return the entries of the legend; a budget is drawn in the colour of its curve."""
    keys = [
        Line2D([], [], color=style.colour, marker=style.marker, ms=4, label=name)
        for name, style in STYLES.items()
    ]
    keys.append(Line2D([], [], color="#555555", linestyle="--", linewidth=1, label="budget"))
    keys.append(Line2D([], [], color=BEYOND, linewidth=1, label="first step beyond"))
    return keys


def _draw_image(axes: Any, pixels: np.ndarray, label: str) -> None:
    axes.imshow(pixels, interpolation="nearest")
    axes.set_xlabel(label, fontsize=9.5)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.grid(False)
    axes.spines[:].set_visible(False)


def _figure(width: float, height: float) -> Figure:
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def _png(figure: Figure) -> bytes:
    sink = io.BytesIO()
    figure.savefig(sink, format="png", metadata={}, dpi=110)
    return sink.getvalue()
