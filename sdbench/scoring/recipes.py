"""Results of recipes: groups of checkpoints that were trained alike, with the spread between them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import reduce
from itertools import combinations

from metrics import Estimate, Protocol
from metrics.best import pooled
from metrics.compare import holm
from metrics.recipes import RecipeValue, recipe_difference, recipe_value
from sdbench.runs.recipe_tables import RecipeComparisonRow, RecipeRow
from sdbench.scoring.compare import CellValues, common

__all__ = ["recipe_comparisons", "recipe_rows"]

_Curves = dict[str, dict[float, list[Estimate]]]
"""The values of each recipe's checkpoints by guidance scale, checkpoints in the order of the spec."""


def recipe_rows(
    cells: Sequence[CellValues], protocols: Sequence[Protocol], recipes: Mapping[str, str]
) -> list[RecipeRow]:
    """Return a row per protocol, recipe and guidance scale, over the prompts that all cells have.

    `recipes` names the curve of the recipe that a cell belongs to, by the cell's folder.
    """
    rows = []
    for protocol in protocols:
        for recipe, scales in _curves(cells, protocol, recipes).items():
            for scale, estimates in scales.items():
                found = recipe_value(estimates)
                low, high = found.interval or (None, None)
                rows.append(
                    RecipeRow(
                        recipe, scale, protocol.name, found.value, found.standard_error, low, high,
                        found.of_checkpoints, found.of_images, len(estimates), found.n, found.note,
                    )
                )  # fmt: skip
    return rows


def recipe_comparisons(
    cells: Sequence[CellValues], protocols: Sequence[Protocol], recipes: Mapping[str, str]
) -> list[RecipeComparisonRow]:
    """Return each pair of recipes by each protocol: of their means over the guidance scales that both have.

    P-values are corrected for the pairs of a protocol.
    """
    rows = []
    for protocol in protocols:
        curves = _curves(cells, protocol, recipes)
        tests = [(a, b, *_compared(curves[a], curves[b])) for a, b in combinations(curves, 2)]
        known = [test.p_value for _, _, test, _ in tests if test is not None and test.p_value is not None]
        adjusted = iter(holm(known))
        for a, b, test, scales in tests:
            if test is None:
                continue
            p_value, (low, high) = test.p_value, test.interval or (None, None)
            p_holm = None if p_value is None else float(next(adjusted))
            rows.append(
                RecipeComparisonRow(
                    protocol.name, a, b, test.value, test.standard_error, low, high, p_value, p_holm,
                    scales, test.n, test.note,
                )
            )  # fmt: skip
    return rows


def _curves(cells: Sequence[CellValues], protocol: Protocol, recipes: Mapping[str, str]) -> _Curves:
    shared = reduce(common, [cell.ids for cell in cells])
    curves: _Curves = {}
    for cell in cells:
        value = cell.estimates[shared].get(protocol.name)
        if cell.cell in recipes and value is not None:
            curves.setdefault(recipes[cell.cell], {}).setdefault(cell.guidance_scale, []).append(value)
    return curves


def _compared(
    a: Mapping[float, Sequence[Estimate]], b: Mapping[float, Sequence[Estimate]]
) -> tuple[RecipeValue | None, int]:
    """Return the difference of two recipes over the scales that both have, and the number of these."""
    scales = [scale for scale in a if scale in b]
    if not scales:
        return None, 0
    of_a, of_b = (
        [pooled(values) for values in zip(*(curve[scale] for scale in scales), strict=True)]
        for curve in (a, b)
    )
    return recipe_difference(of_a, of_b), len(scales)
