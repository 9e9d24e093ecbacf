"""Parts of the plots: the sheet, its heading and legend, panels, lines, and the files."""

from __future__ import annotations

import io
import math
import textwrap
from collections.abc import Sequence
from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from reports.escaping import in_figure
from reports.files import write_whole
from reports.style import RC, CurveStyle, curve_styles, spans_too_much
from reports.wording import INTERVAL, count_range, cut_middle

__all__ = [
    "axis_title",
    "bars",
    "counts",
    "draw_line",
    "heading",
    "legend_below",
    "legend_rows",
    "new_sheet",
    "panels",
    "save",
    "settle",
    "spread_out",
    "styles_of",
]

#: Widths in points: a letter of the legend, its line with the gap beside it, a letter of a note.
_LETTER, _HANDLE, _NOTE_LETTER = 6.1, 56.0, 4.8
_PANELS = 3


def new_sheet(width: float, height: float) -> Figure:
    """Return an empty figure of this size in inches."""
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def settle(figure: Figure) -> None:
    """Lay the figure out once; otherwise every saved file computes the layout again."""
    for words in figure.findobj(Text):
        if in_figure(words.get_text()) != words.get_text():
            words.set_text(in_figure(words.get_text()))
    figure.draw_without_rendering()
    figure.set_layout_engine(None)  # "none" would leave an engine in place that draws each file twice


def save(figure: Figure, folder: Path, stem: str) -> list[Path]:
    """Write ``folder/stem`` as .png, .svg and .pdf and return the paths.

    The files hold no date, so the same figure gives the same bytes.
    """
    dateless = {"png": {}, "svg": {"Date": None}, "pdf": {"CreationDate": None}}
    paths = []
    with matplotlib.rc_context(RC):
        for kind, metadata in dateless.items():
            path = folder / f"{stem}.{kind}"
            sink = io.BytesIO()
            figure.savefig(sink, format=kind, metadata=metadata)
            write_whole(path, sink.getvalue())
            paths.append(path)
    return paths


def heading(figure: Figure, axes: Axes, title: str, notes: Sequence[str]) -> None:
    """Write the title above the axes, with the notes in small letters below it, wrapped to the width."""
    letters = int(figure.get_figwidth() * 72 * 0.88 / _NOTE_LETTER)
    lines = [line for note in notes for line in textwrap.wrap(note, letters)]
    axes.set_title(title, pad=12 + 12.5 * len(lines))
    axes.annotate(
        "\n".join(lines),
        (0, 1),
        xycoords="axes fraction",
        xytext=(0, 8),
        textcoords="offset points",
        fontsize=9.5,
        linespacing=1.25,
        color="#555555",
    )


def legend_below(figure: Figure, axes: Axes) -> None:
    """Add the legend below the axes, in as many columns as fit."""
    handles, names = axes.get_legend_handles_labels()
    if names:
        shown = [cut_middle(name, _room(figure)) for name in names]
        figure.legend(
            handles,
            shown,
            loc="outside lower center",
            handlelength=3,
            ncols=_columns(names, figure.get_figwidth() * 72),
        )


def legend_rows(names: Sequence[str], width: float) -> int:
    """Return the number of rows of a legend on a sheet of this width in inches."""
    return math.ceil(len(names) / _columns(names, width * 72)) if names else 0


def panels(figure: Figure, count: int) -> list[Axes]:
    """Return ``count`` axes, at most three in a row."""
    rows = math.ceil(count / _PANELS)
    places = figure.subplots(rows, min(count, _PANELS), squeeze=False).flatten()
    for unused in places[count:]:
        unused.remove()
    return list(places[:count])


def styles_of(results: pd.DataFrame) -> dict[str, CurveStyle]:
    """Return the style of each curve; curves of one checkpoint share a colour."""
    return curve_styles(results["curve"], dict(zip(results["curve"], results["checkpoint"], strict=True)))


def draw_line(axes: Axes, x: pd.Series[float], rows: pd.DataFrame, name: str, style: CurveStyle) -> None:
    """Draw the values of ``rows`` at ``x`` as one curve, with 95% intervals where errors are known."""
    axes.errorbar(
        x,
        rows["value"],
        yerr=bars(rows["standard_error"]),
        color=style.colour,
        marker=style.marker,
        linestyle=style.dash,
        label=name,
        linewidth=1.6,
        markersize=5,
        elinewidth=1,
    )


def bars(errors: pd.Series[float]) -> np.ndarray | None:
    """Return the half-widths of 95% intervals, or None if no row has an error."""
    return None if errors.isna().all() else INTERVAL * errors.to_numpy()


def spread_out(axes: Axes, rows: pd.DataFrame) -> bool:
    """Make the y axis logarithmic if the distances span too much, and return whether it is."""
    if not spans_too_much(rows):
        return False
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 3, 5)))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())
    return True


def axis_title(rows: pd.DataFrame) -> str:
    """Return the title of an axis that shows these rows of one protocol."""
    row = rows.iloc[0]
    return f"{row['label']}\n{row['protocol']} · {counts(rows['n'])} · {row['better']} is better"


def counts(n: pd.Series[int]) -> str:
    """Return "n = 512", or a range of n."""
    return f"n = {count_range(n)}"


def _columns(names: Sequence[str], points: float) -> int:
    longest = max(map(len, names)) * _LETTER + _HANDLE
    return min(max(int(points / longest), 1), 4, len(names))


def _room(figure: Figure) -> int:
    return int((figure.get_figwidth() * 72 - _HANDLE) / _LETTER)
