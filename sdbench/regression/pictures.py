"""Figures of a check: the error at each step against its budget, and the images that differ most."""

from __future__ import annotations

import io
from collections.abc import Sequence

import matplotlib
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from reports.grid import image_grid
from reports.style import RC, curve_styles
from sdbench.regression.verdicts import CaseResult

__all__ = ["error_plot", "worst_images"]

WORST = 4
SMALLEST = 1e-9
"""Where a logarithmic axis shows that nothing differs."""


def error_plot(results: Sequence[CaseResult]) -> bytes:
    """A panel a case: root mean square differences of x and pred_x0 from the baseline; PNG."""
    with matplotlib.rc_context(RC):
        columns = min(3, len(results))
        rows = -(-len(results) // columns)
        figure = Figure(figsize=(4.2 * columns, 2.8 * rows + 0.6), layout="constrained")
        FigureCanvasAgg(figure)
        panels = figure.subplots(rows, columns, squeeze=False).flat
        styles = curve_styles(("x", "pred_x0"))
        for axes, result in zip(panels, results, strict=False):
            steps = np.arange(1, result.errors.shape[1] + 1)
            for style, errors, budget in zip(styles.values(), result.errors, result.budget, strict=True):
                axes.plot(steps, np.maximum(errors, SMALLEST), color=style.colour, marker=style.marker, ms=3)
                axes.plot(steps, budget, color=style.colour, linestyle="--", linewidth=1)
            axes.set_yscale("log")
            axes.set_title(f"{result.case.name}: {result.verdict}", fontsize=9)
        for axes in list(figure.axes)[len(results) :]:
            axes.set_visible(False)
        figure.supxlabel("step", fontsize=10)
        figure.suptitle(
            "Difference from the baseline · circles: x, squares: pred_x0, dashed: budget", fontsize=10.5
        )
        sink = io.BytesIO()
        figure.savefig(sink, format="png", metadata={}, dpi=110)
    return sink.getvalue()


def worst_images(result: CaseResult, prompts: Sequence[str]) -> bytes:
    """The traced prompts whose images differ most, before and now; PNG."""
    apart = np.abs(result.images.astype(int) - result.baseline_images).mean(axis=(1, 2, 3))
    worst = np.argsort(-apart, kind="stable")[:WORST]
    scale = result.case.guidance_scale
    sheet: Image.Image = image_grid(
        {
            ("baseline", scale): [result.baseline_images[i] for i in worst],
            ("now", scale): [result.images[i] for i in worst],
        },
        [prompts[i] for i in worst],
    )
    sink = io.BytesIO()
    sheet.save(sink, "PNG")
    return sink.getvalue()
