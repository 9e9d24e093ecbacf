"""Comparisons of a run's cells: all pairs, confidence regions in the plane, and which curve is ahead.

Cells are compared over the prompts that both have, and measured again if one has more: distances grow as the
number of images falls, so a difference in that number would look like a difference of the checkpoints.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import combinations, permutations
from typing import Any

from metrics import Estimate, MetricsError, Protocol
from metrics.compare import Comparison, compare, corrected
from metrics.regions import PlanePoint, confidence_region, curve_dominance
from sdbench.runs.tables import ComparisonRow, DominanceRow, RegionRow

__all__ = [
    "CellValues",
    "Ids",
    "common",
    "comparisons",
    "dominances",
    "ids_to_measure",
    "numbers_of",
    "plane_axes",
    "plane_point",
    "regions",
]

Ids = tuple[str, ...]
"""Ids of prompts, in the order of the run."""

_SEED = 0
"""Seed of the draws that compare curves; fixed, so that the same run gives the same file."""

_NUMBERS = ("difference", "standard_error", "low", "high", "p_value", "p_holm")


@dataclass(frozen=True)
class CellValues:
    """A cell, its place on a curve, and its values by protocol over each set of prompts."""

    cell: str
    curve: str
    guidance_scale: float
    ids: Ids
    estimates: Mapping[Ids, Mapping[str, Estimate]]


def common(a: Ids, b: Ids) -> Ids:
    """Return the prompts of a that b also has."""
    if a == b:
        return a
    others = set(b)
    return tuple(id_ for id_ in a if id_ in others)


def ids_to_measure(cells: Sequence[Ids]) -> dict[Ids, set[Ids]]:
    """Return, for each cell's set of prompts, the subsets shared with another cell or with all cells."""
    different = set(cells)
    everywhere = reduce(common, cells)
    return {own: {everywhere} | {common(own, other) for other in different} for own in different}


def comparisons(cells: Sequence[CellValues], protocols: Sequence[Protocol]) -> list[ComparisonRow]:
    """Return all pairs of cells by each protocol, p-values corrected for the pairs of a protocol."""
    rows: list[ComparisonRow] = []
    for protocol in protocols:
        pairs = [(a, b, _compared(a, b, protocol.name)) for a, b in combinations(cells, 2)]
        tests = iter(corrected(pair for _, _, pair in pairs if pair))
        rows.extend(_row(protocol.name, a, b, next(tests) if pair else None) for a, b, pair in pairs)
    return rows


def plane_axes(protocols: Sequence[Protocol]) -> tuple[str, str] | None:
    """Return the protocols of the plane's axes, a score and a distance; None if either is missing.

    They are the first of their kind, but a CLIP score is preferred over other scores, as in the published
    plane.
    """
    scores = [protocol.name for protocol in protocols if protocol.formula.better == "higher"]
    distances = [protocol.name for protocol in protocols if protocol.formula.better == "lower"]
    if not scores or not distances:
        return None
    return next((name for name in scores if name.startswith("clip-score")), scores[0]), distances[0]


def regions(cells: Sequence[CellValues], axes: tuple[str, str]) -> list[RegionRow]:
    """Return simultaneous 95% regions of the cells whose values on both axes have errors."""
    rows = []
    for cell in cells:
        point = plane_point(cell, cell.ids, axes)
        try:
            region = confidence_region(point, cells=len(cells))
        except MetricsError:
            continue
        (yy, xy), (_, xx) = region.covariance
        if xx > 0 and yy > 0:
            x, y = point.agreement.value, point.distance.value
            rows.append(RegionRow(cell.cell, *axes, x, y, float(xx), float(xy), float(yy), region.radius))
    return rows


def dominances(cells: Sequence[CellValues], axes: tuple[str, str]) -> list[DominanceRow]:
    """Return every ordered pair of curves, compared over the prompts that all cells have."""
    shared = reduce(common, [cell.ids for cell in cells])
    curves: dict[str, list[PlanePoint]] = {}
    for cell in cells:
        if not cell.estimates[shared].keys() >= set(axes):
            return []
        curves.setdefault(cell.curve, []).append(plane_point(cell, shared, axes))
    rows = []
    for a, b in permutations(curves, 2):
        try:
            probability = curve_dominance(curves[a], curves[b], seed=_SEED)
        except MetricsError:
            continue
        rows.append(DominanceRow(a, b, probability, len(shared)))
    return rows


def _compared(a: CellValues, b: CellValues, protocol: str) -> Comparison | None:
    """Return the comparison of two cells over the prompts that both have; None if these are too few."""
    shared = common(a.ids, b.ids)
    value_a, value_b = (cell.estimates[shared].get(protocol) for cell in (a, b))
    if value_a is None or value_b is None:
        return None
    return compare(value_a, value_b, names=(a.cell, b.cell))


def _row(protocol: str, a: CellValues, b: CellValues, test: Comparison | None) -> ComparisonRow:
    n = len(common(a.ids, b.ids))
    notes = [f"over the {n} prompts that both have"] if n < max(len(a.ids), len(b.ids)) else []
    if test is None:
        notes.append("too few for a value")
        missing = dict.fromkeys([*_NUMBERS, "detectable"])
        return ComparisonRow(protocol, a.cell, b.cell, **missing, n=n, note="; ".join(notes))
    return ComparisonRow(
        protocol,
        a.cell,
        b.cell,
        **numbers_of(test),
        detectable=test.minimum_detectable_effect(),
        n=n,
        note="; ".join(filter(None, [test.note, *notes])),
    )


def numbers_of(test: Comparison) -> dict[str, Any]:
    """Return the numbers of a comparison, corrected for its relatives, by the columns of the tables."""
    values = test.difference, test.standard_error, test.low, test.high, test.p_value, test.adjusted_p
    return dict(zip(_NUMBERS, values, strict=True))


def plane_point(cell: CellValues, ids: Ids, axes: tuple[str, str]) -> PlanePoint:
    """Return a cell's point in the plane over some prompts; KeyError if it lacks a value."""
    score, distance = axes
    estimates = cell.estimates[ids]
    return PlanePoint(distance=estimates[distance], agreement=estimates[score])
