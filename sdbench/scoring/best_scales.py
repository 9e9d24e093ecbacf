"""The best guidance scale of each curve, and curves compared each at its own best."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from itertools import combinations

from metrics import Protocol
from metrics.best_scale import BestScale, best_scale
from metrics.compare import compare, corrected
from metrics.scale_spline import FEWEST_SCALES
from sdbench.runs.tables import BestScaleRow, CurveRow
from sdbench.scoring.compare import CellValues, Ids, common
from sdbench.scoring.verdict import curve_row

__all__ = ["best_scales"]

_Cells = Sequence[CellValues]


def best_scales(
    cells: _Cells, protocols: Sequence[Protocol], *, longest_only: bool = False
) -> tuple[list[BestScaleRow], list[CurveRow]]:
    """Return each curve's best scale by each protocol, and each pair of curves at their own bests.

    Curves need errors and FEWEST_SCALES scales. P-values are corrected for the pairs of a protocol.

    Args:
        cells: The cells of the run.
        protocols: The metrics.
        longest_only: Use the cells of a curve that have the most prompts, since a budget has ruled the others
            out, and compare two curves over the prompts that both have. Else all cells over the prompts that
            all cells of the run have.
    """
    curves: dict[str, list[CellValues]] = {}
    for cell in cells:
        curves.setdefault(cell.curve, []).append(cell)
    everywhere = reduce(common, [cell.ids for cell in cells])
    over = dict.fromkeys(curves, everywhere)
    if longest_only:
        over = {name: max((cell.ids for cell in own), key=len) for name, own in curves.items()}
        curves = {name: [cell for cell in own if cell.ids == over[name]] for name, own in curves.items()}
    rows: list[BestScaleRow] = []
    pairs: list[CurveRow] = []
    for protocol in protocols:
        found = {name: _best(own, over[name], protocol) for name, own in curves.items()}
        known = {name: best for name, best in found.items() if best is not None}
        rows += [_row(protocol.name, name, best, curves[name]) for name, best in known.items()]
        tests = []
        for a, b in combinations(known, 2):
            ids = common(over[a], over[b])
            one, other = (
                known[name] if over[name] == ids else _best(curves[name], ids, protocol) for name in (a, b)
            )
            if one is not None and other is not None:
                tests.append((compare(one.value, other.value, names=(a, b)), one.value.n))
        for test, (_, n) in zip(corrected(test for test, _ in tests), tests, strict=True):
            scales = min(len(curves[test.a]), len(curves[test.b]))
            pairs.append(curve_row(protocol.name, test, scales, n, len(tests)))
    return rows, pairs


def _best(cells: _Cells, ids: Ids, protocol: Protocol) -> BestScale | None:
    """Return the best scale of a curve over these prompts; None if it has too few scales or no errors."""
    values = {
        cell.guidance_scale: estimate
        for cell in cells
        if (estimate := cell.estimates[ids].get(protocol.name)) is not None
    }
    if len(values) < max(FEWEST_SCALES, len(cells)):
        return None
    return best_scale(values, protocol.formula.better)


def _row(protocol: str, curve: str, best: BestScale, cells: _Cells) -> BestScaleRow:
    smallest, largest = (end(cell.guidance_scale for cell in cells) for end in (min, max))
    notes = []
    if best.low == smallest:
        notes.append(f"the best scale may be below {smallest:g}")
    if best.high == largest:
        notes.append(f"the best scale may be above {largest:g}")
    value = best.value
    return BestScaleRow(
        protocol,
        curve,
        best.scale,
        best.low,
        best.high,
        value.value,
        value.standard_error,
        len(cells),
        value.n,
        "; ".join(notes),
    )
