"""Results by category: a chart and a table per protocol and grouping."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from reports.by_category import ByCategory, by_category
from reports.charts import categories_chart
from reports.sections._embedded import embedded
from reports.sections._section import Absent, Material, Section
from reports.standing import SETTLED
from reports.wording import count, count_range, decimals, interval, number, signed

__all__ = ["categories"]

_TITLE = "Results by category"


@dataclass(frozen=True)
class CategoryLine:
    """A category: its number of images, each cell's value with its interval, and the settled differences."""

    category: str
    n: str
    cells: list[tuple[str, str]]
    settled: list[str]


def categories(material: Material) -> Section | Absent:
    """Return the results by category; absent if nothing is grouped."""
    run = material.run
    views = by_category(run)
    if not views:
        return Absent(_TITLE, "the spec groups results by no column of the prompt file (by:)")
    return Section(
        _TITLE,
        {
            "views": [(view, _summary(view), _lines(view), categories_chart(run, view)) for view in views],
            "choices": [(f"{view.protocol}/{view.by}", f"{view.label} by {view.by}") for view in views],
            "file": embedded(run, "categories.csv"),
        },
    )


def _summary(view: ByCategory) -> str:
    tested = view.tests["p_holm"].notna().sum()
    settled = int((view.tests["p_holm"] < SETTLED).sum())
    return (
        f"{count(settled)} of {count(tested)} differences are settled: their p-values, corrected for all of "
        f"these tests, are below {SETTLED:g}."
    )


def _lines(view: ByCategory) -> list[CategoryLine]:
    places = decimals(view.values)
    return [_line(view, category, places) for category in view.categories]


def _line(view: ByCategory, category: str, places: int) -> CategoryLine:
    rows = view.values[view.values["category"] == category].set_index("cell")
    known = rows.to_dict("index")
    cells = [
        (number(known[cell]["value"], places), interval(known[cell]["low"], known[cell]["high"], places))
        if cell in known
        else ("", "")
        for cell in view.names
    ]
    tests = view.tests[(view.tests["category"] == category) & (view.tests["p_holm"] < SETTLED)]
    settled = [_settled(view, test, places) for _, test in tests.iterrows()]
    return CategoryLine(category, count_range(rows["n"]), cells, settled)


def _settled(view: ByCategory, test: pd.Series, places: int) -> str:
    """Return a settled difference with the better cell first."""
    better, worse, gap = test["a"], test["b"], float(test["difference"])
    if (gap > 0) != (view.better == "higher"):
        better, worse, gap = worse, better, -gap
    return f"{view.names[better]} is better than {view.names[worse]} ({signed(gap, places)})"
