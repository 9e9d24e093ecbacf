"""Results by category of the prompts, as the page and the plot show them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from reports.runs import Run
from reports.style import CurveStyle, curve_styles

__all__ = ["ByCategory", "by_category"]

#: Most cells that are shown side by side.
_CELLS = 7
#: Categories of a few images have intervals that would push all others together: most of the median.
_WIDEST = 3.0


@dataclass(frozen=True, eq=False)
class ByCategory:
    """One protocol by the categories of one column of the prompt file.

    ``values`` has a row per category and compared cell, with the columns of categories.csv and ``place``, the
    category's number. ``tests`` has the rows of category_comparisons.csv for these cells. ``names`` holds the
    compared cells by their folders, in the order of the run, ``curves`` the curve of each.
    """

    protocol: str
    label: str
    better: str
    by: str
    categories: list[str]
    names: dict[str, str]
    curves: dict[str, str]
    values: pd.DataFrame
    tests: pd.DataFrame

    @property
    def shifts(self) -> list[float]:
        """How far each cell's markers lie below the middle of a category's row, in rows."""
        middle = (len(self.names) - 1) / 2
        return [0.5 * (place - middle) / len(self.names) for place in range(len(self.names))]

    @property
    def span(self) -> NDArray[np.float64]:
        """The ends of an axis for the values; an interval much wider than most leaves it."""
        reach = (self.values["high"] - self.values["low"]) / 2
        usual = reach.clip(upper=_WIDEST * reach.median()).fillna(0)
        low, high = (self.values["value"] - usual).min(), (self.values["value"] + usual).max()
        room = (high - low) / 20 or 1.0
        return np.array([low - room, high + room])

    def styles(self, curves: Mapping[str, CurveStyle]) -> dict[str, CurveStyle]:
        """Return a style for each cell: that of its curve, unless several cells lie on one curve."""
        if len(set(self.curves.values())) == len(self.curves):
            return {cell: curves[curve] for cell, curve in self.curves.items()}
        return curve_styles(self.names)


def by_category(run: Run) -> list[ByCategory]:
    """Return the results by category, a protocol and column each; none if the run has no categories."""
    table, pairs = run.categories, run.category_comparisons
    if table is None or pairs is None:
        return []
    found = []
    for (protocol, by), rows in table.groupby(["protocol", "by"], sort=False):
        tests = pairs[(pairs["protocol"] == protocol) & (pairs["by"] == by)]
        compared = {*tests["a"], *tests["b"]} or set(rows["cell"])
        known = [cell for cell in run.names if cell in compared][:_CELLS]
        values = rows[rows["cell"].isin(known)]
        categories = list(dict.fromkeys(values["category"]))
        result = run.of_protocol(str(protocol)).iloc[0]
        cells = run.cells.set_index("cell")
        found.append(
            ByCategory(
                str(protocol),
                str(result["label"]),
                str(result["better"]),
                str(by),
                categories,
                {cell: str(cells.loc[cell, "short"]) for cell in known},
                {cell: str(cells.loc[cell, "curve"]) for cell in known},
                values.assign(place=values["category"].map(categories.index)),
                tests[tests["a"].isin(known) & tests["b"].isin(known)],
            )
        )
    return found
