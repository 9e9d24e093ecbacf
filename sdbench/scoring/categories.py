"""Results by category: values of each category, and where the best cells of curves differ.

Categories are those of the prompts, or what a metric's values consist of, such as kinds of statements. Only
metrics that are means over images have them. A distance compares a whole distribution with the reference set,
which is not divided by category.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import combinations

import numpy as np

from metrics import Estimate, Protocol
from metrics.compare import Comparison, compare, corrected
from metrics.subsets import mean_over, simultaneous_interval
from sdbench.runs.tables import CategoryComparisonRow, CategoryRow
from sdbench.scoring.compare import CellValues, Ids, common, numbers_of

__all__ = ["Categories", "category_comparisons", "category_rows"]

Categories = Mapping[str, Mapping[str, str]]
"""By a column of the prompt file: each prompt's category, by the prompt's id."""

_Divide = Callable[[Estimate, Ids], dict[str, Estimate]]
"""Takes an estimate over the images of these prompts; gives an estimate per category."""


def category_rows(
    cells: Sequence[CellValues], protocols: Sequence[Protocol], categories: Categories
) -> list[CategoryRow]:
    """Return a row per protocol, grouping, cell and category, categories in the order of the prompts.

    The intervals of a cell's categories hold together with 95% confidence.
    """
    rows = []
    for protocol, by, divide in _groupings(protocols, categories):
        for cell in cells:
            parts = _parts(cell, cell.ids, protocol.name, divide)
            for category, part in parts.items():
                if part.per_image is not None and not np.ptp(part.per_image):
                    note = f"no standard error: all {part.n} images have the same value"
                    part = replace(part, standard_error=None, note=note)
                low, high = simultaneous_interval(part, len(parts)) or (None, None)
                values = part.value, part.standard_error, low, high, part.n, part.note
                rows.append(CategoryRow(cell.cell, protocol.name, by, category, *values))
    return rows


def category_comparisons(
    cells: Sequence[CellValues], protocols: Sequence[Protocol], categories: Categories
) -> list[CategoryComparisonRow]:
    """Return, for each protocol and grouping, the pairs of contenders in each category.

    The contenders are the best cell of each curve, or all cells if there is one curve. P-values are corrected
    for all tests of the protocol and grouping.
    """
    rows = []
    for protocol, by, divide in _groupings(protocols, categories):
        tests = [
            test
            for a, b in combinations(_contenders(cells, protocol), 2)
            for test in _tests(a, b, protocol.name, divide)
        ]
        adjusted = corrected(test for _, _, test in tests)
        rows += [
            CategoryComparisonRow(
                protocol.name,
                by,
                category,
                test.a,
                test.b,
                **numbers_of(test),
                n=n,
                note=test.note,
            )
            for (category, n, _), test in zip(tests, adjusted, strict=True)
        ]
    return rows


def _groupings(
    protocols: Sequence[Protocol], categories: Categories
) -> Iterator[tuple[Protocol, str, _Divide]]:
    """Yield each mean with each way of dividing it: by its own parts, and by the columns of the prompts."""
    for protocol in protocols:
        if protocol.formula.parts:
            yield protocol, protocol.formula.parts, _by_part
        if protocol.formula.is_mean:
            for by, of_prompt in categories.items():
                yield protocol, by, partial(_by_prompt, of_prompt)


def _by_part(estimate: Estimate, ids: Ids) -> dict[str, Estimate]:
    there = {name: ~np.isnan(values) for name, values in estimate.parts.items()}
    return {
        name: mean_over(replace(estimate, per_image=values), there[name])
        for name, values in estimate.parts.items()
        if there[name].any()
    }


def _by_prompt(of_prompt: Mapping[str, str], estimate: Estimate, ids: Ids) -> dict[str, Estimate]:
    names = np.array([of_prompt[id_] for id_ in ids])
    return {name: mean_over(estimate, names == name) for name in dict.fromkeys(names.tolist())}


def _parts(cell: CellValues, ids: Ids, protocol: str, divide: _Divide) -> dict[str, Estimate]:
    """Return the cell's values over the images of each category; none if its images have no values."""
    estimate = cell.estimates[ids].get(protocol)
    return {} if estimate is None or estimate.per_image is None else divide(estimate, ids)


def _tests(
    a: CellValues, b: CellValues, protocol: str, divide: _Divide
) -> Iterator[tuple[str, int, Comparison]]:
    """Yield the category, the number of its common images, and the comparison over them."""
    shared = common(a.ids, b.ids)
    of_a, of_b = (_parts(cell, shared, protocol, divide) for cell in (a, b))
    for category in of_a:
        if category in of_b:
            yield category, of_a[category].n, compare(of_a[category], of_b[category], (a.cell, b.cell))


def _contenders(cells: Sequence[CellValues], protocol: Protocol) -> list[CellValues]:
    curves: dict[str, list[CellValues]] = {}
    for cell in cells:
        curves.setdefault(cell.curve, []).append(cell)
    if len(curves) == 1:
        return list(cells)
    sign = 1 if protocol.formula.better == "higher" else -1

    def value(cell: CellValues) -> float:
        return sign * cell.estimates[cell.ids][protocol.name].value

    return [max(of_curve, key=value) for of_curve in curves.values()]
