"""Metrics against what an image costs: network evaluations, or seconds."""

from __future__ import annotations

import matplotlib
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from reports.errors import ReportError
from reports.plots.front import pareto_front
from reports.plots.scales import panel_sheet, panel_title, value_title
from reports.plots.sheet import draw_line, legend_below, panels, settle, spread_out
from reports.rows import best_cells, first_protocol
from reports.style import RC, curve_styles

__all__ = ["metrics_against_evaluations", "metrics_against_seconds"]


def metrics_against_evaluations(results: pd.DataFrame) -> Figure:
    """Draw the first distance and the first score against the network evaluations per image (NFE).

    A line per checkpoint and sampler. Each number of steps shows its best guidance scale
    (reports.rows.best_cells). If evaluations are unknown, the x axis shows the steps.

    Raises:
        ReportError: All cells cost the same.
    """
    unit, words = ("steps", "sampler steps") if results["nfe"].isna().any() else ("nfe", "UNet evaluations")
    if results[unit].nunique() < 2:
        raise ReportError("all cells took the same number of evaluations")
    best = results[results["cell"].isin(best_cells(results, ["checkpoint", "sampler", "steps", "eta"]))]
    best = best.assign(curve=_without_steps(best))
    names = list(dict.fromkeys(best["curve"]))
    styles = curve_styles(names, dict(zip(best["curve"], best["checkpoint"], strict=True)))
    with matplotlib.rc_context(RC):
        protocols = _first_protocols(results)
        figure = panel_sheet(len(protocols), names)
        shown = panels(figure, len(protocols))
        for axes, protocol in zip(shown, protocols, strict=True):
            rows = best[best["protocol"] == protocol]
            for name, curve in rows.groupby("curve", sort=False):
                ordered = curve.sort_values(unit)
                draw_line(axes, ordered[unit].astype(float), ordered, str(name), styles[str(name)])
            _name_axes(axes, rows, f"{words} per image\nat the best guidance scale of each setting")
        legend_below(figure, shown[0])
        settle(figure)
    return figure


def metrics_against_seconds(results: pd.DataFrame, seconds: pd.DataFrame) -> Figure:
    """Draw the first distance and the first score against seconds per image, and mark the Pareto front.

    ``seconds`` has the columns cell and seconds. No cell is both faster and better than one on the front.

    Raises:
        ReportError: No cell's time is known.
    """
    timed = results.merge(seconds, on="cell")
    if timed.empty:
        raise ReportError("the seconds per image are not known for any cell")
    styles = curve_styles(timed["curve"], dict(zip(timed["curve"], timed["checkpoint"], strict=True)))
    with matplotlib.rc_context(RC):
        protocols = _first_protocols(results)
        figure = panel_sheet(len(protocols), [*styles, "Pareto front"])
        shown = panels(figure, len(protocols))
        for axes, protocol in zip(shown, protocols, strict=True):
            rows = timed[timed["protocol"] == protocol]
            worth = rows["value"] * (-1 if rows["better"].iloc[0] == "lower" else 1)
            front = rows.iloc[pareto_front(worth, rows["seconds"])]
            axes.plot(front["seconds"], front["value"], color="#444444", linewidth=1, zorder=1.5)
            for name, curve in rows.groupby("curve", sort=False):
                style = styles[str(name)]
                axes.plot(
                    curve["seconds"], curve["value"], style.marker, color=style.colour, label=str(name), ms=5
                )
            axes.plot(
                front["seconds"], front["value"], "o", ms=11, mfc="none", mec="#444444", label="Pareto front"
            )
            _name_axes(axes, rows, "seconds per image (s)")
        legend_below(figure, shown[0])
        settle(figure)
    return figure


def _first_protocols(results: pd.DataFrame) -> list[str]:
    return [
        first_protocol(results, better)
        for better in ("lower", "higher")
        if (results["better"] == better).any()
    ]


def _name_axes(axes: Axes, rows: pd.DataFrame, x_title: str) -> None:
    log = spread_out(axes, rows)
    axes.set_xlabel(x_title)
    axes.set_ylabel(value_title(rows, log))
    axes.set_title(panel_title(rows), fontsize=10.5)


def _without_steps(rows: pd.DataFrame) -> pd.Series[str]:
    """Return the checkpoint, with the sampler if there are several. The axis shows the steps."""
    if len(rows[["sampler", "eta"]].drop_duplicates()) == 1:
        return rows["checkpoint"]
    eta = rows["eta"].map(lambda value: f", eta {value:g}" if value else "")
    return rows["checkpoint"] + ", " + rows["sampler"] + eta
