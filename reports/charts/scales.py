"""One protocol against the guidance scale."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reports.best_scales import best_scales_of
from reports.charts._parts import (
    Chart,
    Frame,
    axis,
    bars,
    colour,
    curve_looks,
    layout,
    legend_name,
    line,
    title,
)
from reports.escaping import in_chart
from reports.runs import Run
from reports.style import CurveStyle, dodged, spans_too_much

__all__ = ["scales_chart"]

_WIDE, _NARROW = Frame(1170, 360, 88, 52), Frame(356, 320, 80, 52)


def scales_chart(run: Run, protocol: str) -> Chart:
    """Return a line per curve, with 95% intervals where errors are known, and its best scale as a star."""
    looks, rows = curve_looks(run), run.of_protocol(protocol)
    rows = rows.assign(at=dodged(rows))
    data = []
    for name, curve in rows.groupby("curve", sort=False):
        ordered = curve.sort_values("guidance_scale")
        trace = line(str(name), ordered["at"], ordered["value"], looks[str(name)])
        trace["legendgroup"] = trace["name"]
        trace["customdata"] = ordered["guidance_scale"].tolist()
        if ordered["standard_error"].notna().any():
            trace["error_y"] = bars(ordered["standard_error"], looks[str(name)])
        data.append(trace | {"hovertemplate": "%{fullData.name} at %{customdata}: %{y:.4g}<extra></extra>"})
    data += [_best(row, looks[row["curve"]]) for row in best_scales_of(run, protocol).to_dict("records")]
    log = spans_too_much(rows)
    wide, narrow = (frame.with_legend(looks) for frame in (_WIDE, _NARROW))
    return {
        "data": data,
        "layout": layout(axis("Guidance scale"), axis(title(rows, log), log=log)),
        "sizes": {"wide": wide.size(), "narrow": narrow.size()},
    }


def _best(row: Mapping[Any, Any], look: CurveStyle) -> Chart:
    """Return a star at the best scale of a curve, with a bar for the interval of the scale."""
    low, best, high, name = row["low"], row["scale"], row["high"], in_chart(row["curve"])
    return {
        "x": [best],
        "y": [row["value"]],
        "mode": "markers",
        "showlegend": False,
        "legendgroup": legend_name(row["curve"]),
        "marker": {
            "color": colour(look),
            "symbol": "star",
            "size": 13,
            "line": {"color": "var(--card)", "width": 1},
        },
        "error_x": {
            "array": [high - best],
            "arrayminus": [best - low],
            "symmetric": False,
            "color": colour(look, opacity="99"),
            "thickness": 4,
            "width": 0,
        },
        "hovertemplate": f"best scale of {name}: {best:.3g} ({low:.3g} to {high:.3g})<extra></extra>",
    }
