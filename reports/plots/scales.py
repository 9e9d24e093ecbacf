"""Every metric against the guidance scale."""

from __future__ import annotations

import textwrap

import matplotlib
import pandas as pd
from matplotlib.figure import Figure

from reports.plots.sheet import (
    counts,
    draw_line,
    legend_below,
    legend_rows,
    new_sheet,
    panels,
    settle,
    spread_out,
    styles_of,
)
from reports.style import RC, dodged

__all__ = ["metrics_against_scale", "panel_sheet", "panel_title", "value_title"]

_NOTE_LETTERS = 52


def metrics_against_scale(results: pd.DataFrame) -> Figure:
    """Draw every protocol against the guidance scale, in a panel each with a line per curve."""
    with matplotlib.rc_context(RC):
        protocols = list(dict.fromkeys(results["protocol"]))
        styles = styles_of(results)
        figure = panel_sheet(len(protocols), list(styles))
        shown = panels(figure, len(protocols))
        for axes, protocol in zip(shown, protocols, strict=True):
            rows = results[results["protocol"] == protocol]
            for name, curve in rows.assign(at=dodged(rows)).groupby("curve", sort=False):
                ordered = curve.sort_values("guidance_scale")
                draw_line(axes, ordered["at"], ordered, str(name), styles[str(name)])
            log = spread_out(axes, rows)
            axes.set_xlabel(f"guidance scale{_without_errors(rows)}")
            axes.set_ylabel(value_title(rows, log))
            axes.set_title(panel_title(rows), fontsize=10.5)
        legend_below(figure, shown[0])
        settle(figure)
    return figure


def _without_errors(rows: pd.DataFrame) -> str:
    """Return why no row has an error, wrapped, for a line below the axis; "" if one has."""
    if rows["standard_error"].notna().any():
        return ""
    why = next((note for note in rows["note"] if note), "no standard errors in the results")
    return "\n" + "\n".join(textwrap.wrap(str(why), _NOTE_LETTERS))


def panel_sheet(count: int, names: list[str]) -> Figure:
    """Return a sheet for ``count`` panels, at most three in a row, and a legend of these names."""
    columns, rows = min(count, 3), -(-count // 3)
    width = max(4.6 * columns, 7)
    return new_sheet(width, 4.3 * rows + 0.4 + 0.18 * legend_rows(names, width))


def panel_title(rows: pd.DataFrame) -> str:
    """Return a protocol's label in two lines, the brackets in the second, with n."""
    label = str(rows["label"].iloc[0]).replace(" (", "\n(", 1)
    return f"{label} · {counts(rows['n'])}"


def value_title(rows: pd.DataFrame, log: bool) -> str:
    """Return the title of a protocol's axis."""
    row = rows.iloc[0]
    return f"{row['protocol']} ({row['better']} is better)" + (" · log scale" if log else "")
