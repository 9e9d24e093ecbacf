"""One protocol by category of the prompts."""

from __future__ import annotations

from reports.by_category import ByCategory
from reports.charts._parts import Chart, Frame, axis, curve_looks, layout, line, numbers
from reports.escaping import in_chart
from reports.runs import Run
from reports.wording import cut_end

__all__ = ["categories_chart"]

#: Pixels of a category, of a letter of its name, and of the axis below.
_ROW, _LETTER, _AXIS = 34, 7, 52
_NAME = 26


def categories_chart(run: Run, view: ByCategory) -> Chart:
    """Return a row per category with a marker per cell and the cell's simultaneous 95% intervals."""
    styles, data = view.styles(curve_looks(run)), []
    for cell, shift in zip(view.names, view.shifts, strict=True):
        rows = view.values[view.values["cell"] == cell]
        trace = line(view.names[cell], rows["value"], rows["place"] + shift, styles[cell])
        above, below = (rows["high"] - rows["value"]).fillna(0), (rows["value"] - rows["low"]).fillna(0)
        spread = {"array": numbers(above.to_numpy()), "arrayminus": numbers(below.to_numpy())}
        bars = {"symmetric": False, "color": trace["line"]["color"], "thickness": 1, "width": 3, **spread}
        names = [in_chart(name) for name in rows["category"]]
        hover = {
            "customdata": names,
            "hovertemplate": "%{fullData.name}, %{customdata}: %{x:.4g}<extra></extra>",
        }
        data.append(trace | {"mode": "markers", "error_x": bars} | hover)
    labels = [in_chart(cut_end(name, _NAME)) for name in view.categories]
    ticks = {"tickvals": list(range(len(labels))), "ticktext": labels, "range": [len(labels) - 0.5, -0.5]}
    left = 24 + _LETTER * max(map(len, labels))
    height = _AXIS + _ROW * len(labels)
    frames = Frame(1170, height, left, _AXIS), Frame(356, height, min(left, 150), _AXIS)
    wide, narrow = (frame.with_legend(view.names.values()) for frame in frames)
    title = in_chart(f"{view.protocol} · {view.better} is better")
    return {
        "data": data,
        "layout": layout(axis(title, span=view.span), axis("") | ticks),
        "sizes": {"wide": wide.size(), "narrow": narrow.size()},
    }
