"""The best guidance scale of each curve, and the curves compared each at its own best."""

from __future__ import annotations

from reports.best_scales import best_scale_texts
from reports.curves import order_of_own_bests
from reports.runs import Run
from reports.sections._embedded import embedded
from reports.sections._section import Absent, Material, Section

__all__ = ["scales"]

_TITLE = "Best guidance scales"


def scales(material: Material) -> Section | Absent:
    """Return a table of best scales, a column per protocol, and the order of curves at their own bests."""
    run = material.run
    if run.best_scales is None:
        return Absent(_TITLE, "best_scales.csv does not exist; sdbench score RUN writes it")
    if run.best_scales.empty:
        return Absent(_TITLE, "they take four guidance scales and a metric with standard errors")
    names = list(dict.fromkeys(run.best_scales["protocol"]))
    texts = {name: best_scale_texts(run, name) for name in names}
    orders = [order for name in names if (order := order_of_own_bests(run, name))]
    files = ["best_scales.csv", *(["own_bests.csv"] if run.own_bests is not None else [])]
    return Section(
        _TITLE,
        {
            "labels": [_label(run, name) for name in names],
            "rows": [
                (curve, [texts[name].get(curve) for name in names])
                for curve in dict.fromkeys(run.best_scales["curve"])
            ],
            "orders": [order.sentence for order in orders],
            "files": [(name, embedded(run, name)) for name in files],
        },
    )


def _label(run: Run, protocol: str) -> tuple[str, str]:
    return protocol, str(run.of_protocol(protocol)["label"].iloc[0])
