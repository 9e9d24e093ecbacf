"""The tests of the verdict: which cell is the best, and how do whole curves differ?"""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from itertools import combinations
from typing import Any

from metrics import Estimate, MetricsError, Protocol
from metrics.best import Needed, chances_of_best, images_to_settle, pooled
from metrics.compare import Comparison, compare, corrected
from sdbench.runs.tables import BestRow, CurveRow
from sdbench.scoring.compare import CellValues, common, numbers_of

__all__ = ["best_cells", "curve_pairs", "curve_row"]

_Curve = dict[float, Estimate]
"""The values of a curve by guidance scale."""


def best_cells(cells: Sequence[CellValues], protocols: Sequence[Protocol]) -> list[BestRow]:
    """Return, for each protocol and cell with an error, how surely it is not the best.

    Over the prompts that all cells have.
    """
    shared = reduce(common, [cell.ids for cell in cells])
    rows: list[BestRow] = []
    for protocol in protocols:
        values = {
            cell.cell: found
            for cell in cells
            if (found := cell.estimates[shared].get(protocol.name)) is not None
            and found.per_image is not None
        }
        if len(values) < 2:
            continue
        better = protocol.formula.better
        sign = 1 if better == "higher" else -1
        leader = max(values, key=lambda name: sign * values[name].value)
        for name, p_value in chances_of_best(values, better).items():
            needed = None
            if name != leader:
                test = compare(values[name], values[leader])
                needed = images_to_settle(test, len(shared), len(values) - 1)
            rows.append(BestRow(protocol.name, name, p_value, **_columns(needed), n=len(shared)))
    return rows


def curve_pairs(cells: Sequence[CellValues], protocols: Sequence[Protocol]) -> list[CurveRow]:
    """Return each pair of curves by each protocol: one paired test of their means over common scales.

    P-values are corrected for the pairs of a protocol. Over the prompts that all cells have.
    """
    shared = reduce(common, [cell.ids for cell in cells])
    rows: list[CurveRow] = []
    for protocol in protocols:
        curves: dict[str, _Curve] = {}
        for cell in cells:
            value = cell.estimates[shared].get(protocol.name)
            if value is not None:
                curves.setdefault(cell.curve, {})[cell.guidance_scale] = value
        tests = [_means(curves, a, b) for a, b in combinations(curves, 2)]
        known = [test for test in tests if test is not None]
        count = sum(test.p_value is not None for test, _ in known)
        for test, (_, scales) in zip(corrected(test for test, _ in known), known, strict=True):
            rows.append(curve_row(protocol.name, test, scales, len(shared), count))
    return rows


def _means(curves: dict[str, _Curve], a: str, b: str) -> tuple[Comparison, int] | None:
    """Return the comparison of two curves over the scales that both have, and their number."""
    scales = [scale for scale in curves[a] if scale in curves[b]]
    if not scales:
        return None
    try:
        one, other = (pooled([curves[name][scale] for scale in scales]) for name in (a, b))
    except MetricsError:
        return None
    return compare(one, other, names=(a, b)), len(scales)


def curve_row(protocol: str, test: Comparison, scales: int, n: int, tests: int) -> CurveRow:
    """Return the row of a comparison of two curves, one of `tests` that are corrected together."""
    needed = _columns(images_to_settle(test, n, tests))
    return CurveRow(
        protocol, test.a, test.b, **numbers_of(test), **needed, scales=scales, n=n, note=test.note
    )


def _columns(needed: Needed | None) -> dict[str, Any]:
    if needed is None:
        return dict.fromkeys(("needed", "needed_low", "needed_high"))
    return {"needed": needed.measured, "needed_low": needed.low, "needed_high": needed.high}
