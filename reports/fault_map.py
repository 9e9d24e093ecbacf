"""Which metrics see which faults: a table as text, and a heat map."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence

from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure

__all__ = ["fault_png", "fault_table"]

Smallest = Mapping[tuple[str, str], tuple[str, int | None, bool]]
"""By metric and fault: the smallest dose as text, its rank (None: no dose is told), whether any improves."""


def fault_table(metrics: Sequence[str], faults: Sequence[str], found: Mapping[int, Smallest]) -> str:
    """Return a table for each number of images, metrics down and faults across."""
    lines: list[str] = []
    first = max(map(len, ["metric", *metrics]))
    for n, smallest in found.items():
        rows = [[smallest[metric, fault][0] for fault in faults] for metric in metrics]
        widths = [max(map(len, column)) for column in zip(faults, *rows, strict=True)]
        lines += ["", f"n = {n}"]
        for name, row in zip(["metric", *metrics], [list(faults), *rows], strict=True):
            cells = [text.rjust(width) for text, width in zip(row, widths, strict=True)]
            lines.append(f"{name:{first}}  " + "  ".join(cells))
    return "\n".join(lines[1:])


def fault_png(
    metrics: Sequence[str], faults: Sequence[str], doses: int, found: Mapping[int, Smallest]
) -> bytes:
    """Return the heat map as PNG, a panel for each number of images; darker means a smaller dose.

    A fault that improves a metric is bold with a frame.
    """
    colours = ListedColormap(["#ececec", "#d4e3f2", "#9cc3e2", "#5499c7", "#1f618d"][: doses + 1])
    height = len(found) * (0.55 + 0.34 * len(metrics)) + 1.2
    figure = Figure(figsize=(3.2 + 0.95 * len(faults), height), layout="constrained")
    panels = figure.subplots(len(found), 1, squeeze=False, sharex=True)[:, 0]
    for axes, (n, smallest) in zip(panels, found.items(), strict=True):
        cells = [[smallest[metric, fault] for fault in faults] for metric in metrics]
        levels = [[0 if rank is None else doses - rank for _, rank, _ in row] for row in cells]
        axes.imshow(levels, cmap=colours, vmin=0, vmax=doses, aspect="auto")
        for y, row in enumerate(cells):
            for x, (text, rank, improves) in enumerate(row):
                dark = rank is not None and doses - rank > doses / 2
                axes.text(
                    x,
                    y,
                    text,
                    ha="center",
                    va="center",
                    fontsize=8,
                    color="white" if dark else "#222222",
                    weight="bold" if improves else "normal",
                    bbox={"edgecolor": "#ff8c00", "facecolor": "none", "pad": 2} if improves else None,
                )
        axes.set_yticks(range(len(metrics)), metrics, fontsize=8)
        axes.set_xticks(range(len(faults)), faults, rotation=30, ha="right", fontsize=8)
        axes.set_title(f"n = {n}", fontsize=9, loc="left")
        axes.tick_params(length=0)
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=80)
    return file.getvalue()
