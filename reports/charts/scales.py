"""One protocol against the guidance scale."""

from __future__ import annotations

from reports.charts._parts import Chart, Frame, axis, bars, curve_looks, layout, line, title
from reports.runs import Run
from reports.style import dodged, spans_too_much

__all__ = ["scales_chart"]

_WIDE, _NARROW = Frame(1170, 360, 88, 52), Frame(356, 320, 80, 52)


def scales_chart(run: Run, protocol: str) -> Chart:
    """Return a line per curve, with 95% intervals where errors are known."""
    looks, rows = curve_looks(run), run.of_protocol(protocol)
    rows = rows.assign(at=dodged(rows))
    data = []
    for name, curve in rows.groupby("curve", sort=False):
        ordered = curve.sort_values("guidance_scale")
        trace = line(str(name), ordered["at"], ordered["value"], looks[str(name)])
        trace["customdata"] = ordered["guidance_scale"].tolist()
        if ordered["standard_error"].notna().any():
            trace["error_y"] = bars(ordered["standard_error"], looks[str(name)])
        data.append(trace | {"hovertemplate": "%{fullData.name} at %{customdata}: %{y:.4g}<extra></extra>"})
    log = spans_too_much(rows)
    wide, narrow = (frame.with_legend(looks) for frame in (_WIDE, _NARROW))
    return {
        "data": data,
        "layout": layout(axis("Guidance scale"), axis(title(rows, log), log=log)),
        "sizes": {"wide": wide.size(), "narrow": narrow.size()},
    }
