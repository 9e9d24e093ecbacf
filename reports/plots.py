"""The figures: distance against CLIP score, and every metric against the guidance scale."""

from __future__ import annotations

from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patheffects import Normal, Stroke
from matplotlib.text import Annotation
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from reports.label_placement import place_labels
from reports.rows import curve_names, first_protocol, plane
from reports.style import RC, CurveStyle, curve_styles

__all__ = ["distance_against_score", "metrics_against_scale", "save"]

#: Half the width of a 95% interval in standard errors.
_INTERVAL = 1.96
#: From this ratio of largest to smallest distance on, a linear axis hides the better checkpoints.
_LOG_RATIO = 6.0
#: Radius of a marker with its margin, in points.
_MARKER_GAP = 5.0


def distance_against_score(results: pd.DataFrame) -> Figure:
    """Draw distance (y) against CLIP score (x): a curve per checkpoint, guidance scales at the points.

    Error bars are 95% intervals, where a standard error is known. The axes are the first distance and the
    first score among the rows; their titles name protocol and n. Raises ReportError where either is missing.
    """
    with matplotlib.rc_context(RC):
        points = plane(results)
        figure = Figure(figsize=(9, 6.8), layout="constrained")
        FigureCanvasAgg(figure)
        axes = figure.subplots()
        styles = curve_styles(points["curve"])
        for name, curve in points.groupby("curve", sort=False):
            _draw_curve(axes, str(name), curve.sort_values("guidance_scale"), styles[str(name)])
        axes.margins(0.06, 0.07)
        log = _spread_out(axes, points["y"])
        x_rows = results[results["protocol"] == first_protocol(results, "higher")]
        y_rows = results[results["protocol"] == first_protocol(results, "lower")]
        axes.set_xlabel(_axis_title(x_rows))
        axes.set_ylabel(_axis_title(y_rows) + (" · log scale" if log else ""))
        axes.set_title(f"{_name(y_rows)} against {_name(x_rows)}", pad=24)
        _write_subtitle(axes, results, [_name(rows) for rows in (x_rows, y_rows) if _has_errors(rows)])
        figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=4)
        _label_points(figure, axes, points, styles)
    return figure


def metrics_against_scale(results: pd.DataFrame) -> Figure:
    """Draw every protocol of the results against the guidance scale: a panel each, a curve per checkpoint."""
    with matplotlib.rc_context(RC):
        protocols = list(dict.fromkeys(results["protocol"]))
        figure = Figure(figsize=(max(4.6 * len(protocols), 7), 4.6), layout="constrained")
        FigureCanvasAgg(figure)
        panels = figure.subplots(1, len(protocols), squeeze=False)[0]
        named = results.assign(curve=curve_names(results))
        styles = curve_styles(named["curve"])
        for axes, protocol in zip(panels, protocols, strict=True):
            rows = named[named["protocol"] == protocol]
            for name, curve in rows.groupby("curve", sort=False):
                style = styles[str(name)]
                ordered = curve.sort_values("guidance_scale")
                axes.errorbar(
                    ordered["guidance_scale"],
                    ordered["value"],
                    yerr=_bars(ordered["standard_error"]),
                    color=style.colour,
                    marker=style.marker,
                    label=str(name),
                    linewidth=1.6,
                    markersize=5,
                    elinewidth=1,
                )
            axes.set_xlabel("guidance scale")
            log = rows["better"].iloc[0] == "lower" and _spread_out(axes, rows["value"])
            axes.set_title(_panel_title(rows) + (" · log scale" if log else ""), fontsize=10.5)
        handles, labels = panels[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=4)
    return figure


def save(figure: Figure, folder: Path, stem: str) -> list[Path]:
    """Write ``folder/stem`` as .png, .svg and .pdf and return the paths; the same figure, the same bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    dateless = {"png": {}, "svg": {"Date": None}, "pdf": {"CreationDate": None}}
    paths = []
    with matplotlib.rc_context(RC):
        for kind, metadata in dateless.items():
            path = folder / f"{stem}.{kind}"
            figure.savefig(path, metadata=metadata)
            paths.append(path)
    return paths


def _draw_curve(axes: Axes, name: str, curve: pd.DataFrame, style: CurveStyle) -> None:
    axes.errorbar(
        curve["x"],
        curve["y"],
        xerr=_bars(curve["x_error"]),
        yerr=_bars(curve["y_error"]),
        fmt="none",
        ecolor=style.colour,
        elinewidth=1,
        alpha=0.45,
    )
    axes.plot(
        curve["x"],
        curve["y"],
        color=style.colour,
        marker=style.marker,
        markersize=6.5,
        markeredgecolor="white",
        markeredgewidth=0.6,
        linewidth=1.6,
        label=name,
    )


def _bars(errors: pd.Series[float]) -> np.ndarray | None:
    """Return the half-widths of 95% intervals, or None where no row has an error."""
    return None if errors.isna().all() else _INTERVAL * errors.to_numpy()


def _spread_out(axes: Axes, distances: pd.Series[float]) -> bool:
    """Make the y axis logarithmic where the distances span too much for a linear one; return whether."""
    lowest, highest = distances.min(), distances.max()
    if lowest <= 0 or highest / lowest < _LOG_RATIO:
        return False
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 3, 5)))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())
    return True


def _write_subtitle(axes: Axes, results: pd.DataFrame, with_errors: list[str]) -> None:
    """Write under the title what all points have in common, and how to read them.

    ``with_errors`` names the axes whose errors are known: none, one or both.
    """
    bars = {0: "errors not known", 1: f"bars: 95% intervals, {' '.join(with_errors)} only"}
    settings = results[["sampler", "steps"]].drop_duplicates()
    samplers = settings["sampler"].str.upper() + ", " + settings["steps"].astype(str) + " steps"
    parts = [
        " and ".join(samplers),
        ", ".join(dict.fromkeys(results["image_size"])).replace("x", "×") + " pixels",
        "numbers at the points: guidance scale",
        bars.get(len(with_errors), "bars: 95% intervals"),
    ]
    axes.annotate(
        " · ".join(parts),
        (0, 1),
        xycoords="axes fraction",
        xytext=(0, 9),
        textcoords="offset points",
        fontsize=9.5,
        color="#555555",
    )


def _label_points(figure: Figure, axes: Axes, points: pd.DataFrame, styles: dict[str, CurveStyle]) -> None:
    """Write the guidance scale at every point, clear of curves, markers and other labels.

    The layout is settled here and then kept: the places are right for it alone.
    """
    notes = [
        axes.annotate(
            f"{point.guidance_scale:g}",
            (point.x, point.y),
            xytext=(0, 0),
            textcoords="offset points",
            ha="center",
            va="center",
            fontsize=8.5,
            color=styles[str(point.curve)].text_colour,
            path_effects=[Stroke(linewidth=2.5, foreground="white"), Normal()],
            in_layout=False,
        )
        for point in points.itertuples()
    ]
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    to_pixels = axes.transData.transform
    places = to_pixels(points[["x", "y"]].to_numpy())
    extents = [note.get_window_extent() for note in notes]
    sizes = np.array([(extent.width, extent.height) for extent in extents])
    pixels_per_point = figure.dpi / 72
    centres = place_labels(
        places,
        sizes,
        lines=_curve_segments(axes, points),
        faint_lines=_bar_segments(axes, points),
        bounds=np.asarray(axes.bbox.extents),
        gap=_MARKER_GAP * pixels_per_point,
    )
    for note, offset in zip(notes, (centres - places) / pixels_per_point, strict=True):
        note.set_position((offset[0], offset[1]))
        _lead(axes, note, offset)


def _curve_segments(axes: Axes, points: pd.DataFrame) -> np.ndarray:
    """Return the lines between neighbouring points, in pixels: [k, 2, 2]."""
    segments = []
    for _, curve in points.groupby("curve", sort=False):
        ordered = curve.sort_values("guidance_scale")[["x", "y"]].to_numpy()
        places = axes.transData.transform(ordered)
        segments.append(np.stack([places[:-1], places[1:]], axis=1))
    return np.concatenate(segments)


def _bar_segments(axes: Axes, points: pd.DataFrame) -> np.ndarray:
    """Return the error bars in pixels: [k, 2, 2]; a missing error is a bar of no length."""
    middles = points[["x", "y"]].to_numpy()
    errors = points[["x_error", "y_error"]].fillna(0).to_numpy() * _INTERVAL
    ends = np.concatenate([np.stack([middles - bar, middles + bar], axis=1) for bar in _along_axes(errors)])
    lowest = axes.get_ylim()[0]
    ends[..., 1] = np.maximum(ends[..., 1], lowest)  # a bar to below zero has no place on a log axis
    return np.asarray(axes.transData.transform(ends.reshape(-1, 2)).reshape(-1, 2, 2))


def _along_axes(errors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Split half-widths [m, 2] into the horizontal and the vertical bars."""
    return errors * (1, 0), errors * (0, 1)


def _lead(axes: Axes, note: Annotation, offset: np.ndarray) -> None:
    """Draw a thin line from the point to a label that had to move away from it."""
    if np.hypot(*offset) < 3 * _MARKER_GAP:
        return
    axes.annotate(
        "",
        note.xy,
        xytext=tuple(offset * 0.72),
        textcoords="offset points",
        arrowprops={"arrowstyle": "-", "color": note.get_color(), "linewidth": 0.5, "alpha": 0.6},
        in_layout=False,
    )


def _axis_title(rows: pd.DataFrame) -> str:
    return f"{rows['label'].iloc[0]}\n{_counts(rows['n'])} · {rows['better'].iloc[0]} is better"


def _panel_title(rows: pd.DataFrame) -> str:
    label = str(rows["label"].iloc[0]).replace(" (", "\n(", 1)
    return f"{label} · {_counts(rows['n'])}"


def _counts(n: pd.Series[int]) -> str:
    return f"n = {n.min():,}" if n.min() == n.max() else f"n = {n.min():,} to {n.max():,}"


def _has_errors(rows: pd.DataFrame) -> bool:
    return bool(rows["standard_error"].notna().any())


def _name(rows: pd.DataFrame) -> str:
    """Return a protocol's label without what stands in brackets."""
    return str(rows["label"].iloc[0]).split(" (")[0]
