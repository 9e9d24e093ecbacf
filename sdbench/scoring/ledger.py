"""The guidance ledger: which plain scale a way of guiding amounts to, and its gain along and off that curve.

The curve of a guided cell has the cells of plain guidance with its checkpoint, sampler and steps.
"""

from __future__ import annotations

import warnings
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from itertools import compress
from typing import Any

import numpy as np

from metrics import Estimate, MetricsError, PlanePoint
from metrics.compare import holm
from metrics.curve_shift import Move, curve_shift, move
from metrics.scale_spline import FEWEST_SCALES, scale_spline
from metrics.uncertainty import standard_error_of_mean, with_clusters
from sdbench.runs.ledger_tables import CfgCurveRow, EffectiveScaleRow, LedgerRow
from sdbench.runs.plan import Cell
from sdbench.scoring.compare import CellValues, Ids, common, plane_point
from sdbench.spec.guidance import PLAIN

__all__ = ["GuidedCell", "Ledger", "guidance_ledger"]

_POINTS = 60
"""Points of a drawn curve."""

_Axes = tuple[str, str]


@dataclass(frozen=True, eq=False)
class GuidedCell:
    """A cell as the ledger reads it.

    Attributes:
        cell: What its images were asked for with.
        values: Its values by protocol.
        prompts: The prompts of its n images.
        nfe: Evaluations per image; None if they cannot be counted.
        scales: float32 [n, calls], as in `models.Images`; None if they are not known.
    """

    cell: Cell
    values: CellValues
    prompts: Sequence[str]
    nfe: int | None
    scales: np.ndarray | None

    @property
    def is_plain(self) -> bool:
        """Whether it is a cell of plain guidance."""
        return self.cell.settings.guidance == PLAIN

    @property
    def effective_scale(self) -> Estimate | None:
        """The mean over calls and images; None if it is not known."""
        if self.scales is None:
            return None
        return _mean(_mean_of_known(self.scales, axis=1), self.prompts)


@dataclass(frozen=True)
class Ledger:
    """The tables of the ledger, without rows if all cells are of plain guidance."""

    rows: list[LedgerRow]
    scales: list[EffectiveScaleRow]
    curves: list[CfgCurveRow]


def guidance_ledger(
    cells: Sequence[GuidedCell], axes: _Axes | None, controlled: Collection[tuple[str, float]]
) -> Ledger:
    """Return the ledger of a run, over the prompts that all cells have.

    Args:
        cells: The cells of the run.
        axes: The protocols of the plane; without them there are effective scales alone.
        controlled: Ways of guiding with their scale whose control is plain guidance at that scale.
    """
    guided = [cell for cell in cells if not cell.is_plain]
    if not guided:
        return Ledger([], [], [])
    shared = reduce(common, [cell.values.ids for cell in cells])
    rows: list[LedgerRow] = []
    curves: dict[str, list[CfgCurveRow]] = {}
    for cell in guided:
        plain = [other for other in cells if other.is_plain and _same(other, cell, "steps")]
        asked = (cell.cell.settings.guidance, cell.cell.settings.guidance_scale)
        rows += _rows(cell, plain, cells if asked in controlled else (), axes, shared)
        if plain and axes:
            curves.setdefault(plain[0].values.curve, _drawn(plain, axes, shared))
    tested = [row.p_value for row in rows if row.p_value is not None]
    adjusted = iter(holm(tested))
    rows = [row if row.p_value is None else replace(row, p_holm=float(next(adjusted))) for row in rows]
    scales = [row for cell in guided for row in _call_rows(cell)]
    return Ledger(rows, scales, [row for drawn in curves.values() for row in drawn])


def _rows(
    cell: GuidedCell,
    plain: Sequence[GuidedCell],
    controls: Sequence[GuidedCell],
    axes: _Axes | None,
    shared: Ids,
) -> Iterator[LedgerRow]:
    """Yield the row of a cell; another one against the control of as many evaluations, if there is one."""
    scale = cell.effective_scale
    start = _Row(cell, scale, plain[0].values.curve if plain else "", axes, shared)
    if not plain:
        yield start.without("the run has no plain guidance_scales with its checkpoint, sampler and steps")
        return
    asked = cell.cell.settings.guidance_scale
    wanted, matched = (asked, "scale") if controls else (scale.value if scale else asked, "effective scale")
    control = min(plain, key=lambda other: abs(other.cell.settings.guidance_scale - wanted))
    yield start.split(plain, control, matched)
    equal = [
        other
        for other in controls
        if other.is_plain
        and _same(other, cell, "guidance_scale")
        and _apart(other, cell) < _apart(control, cell)
    ]
    if equal:
        yield start.gain(min(equal, key=lambda other: _apart(other, cell)), "evaluations")


@dataclass(frozen=True, eq=False)
class _Row:
    """Makes the rows of one cell."""

    cell: GuidedCell
    scale: Estimate | None
    curve: str
    axes: _Axes | None
    shared: Ids

    def without(self, note: str, control: str = "", matched: str = "", **known: Any) -> LedgerRow:
        """Return a row with these columns alone."""
        logged = "" if self.scale else "effective scales were not logged"
        return LedgerRow(
            cell=self.cell.values.cell,
            cfg_curve=self.curve,
            control=control,
            matched=matched,
            x_protocol=self.axes[0] if self.axes else "",
            y_protocol=self.axes[1] if self.axes else "",
            n=len(self.shared),
            note="; ".join(filter(None, [logged, note])),
            effective_scale=self.scale.value if self.scale else None,
            effective_scale_error=self.scale.standard_error if self.scale else None,
            **known,
        )

    def gain(self, control: GuidedCell, matched: str, note: str = "", **known: Any) -> LedgerRow:
        """Return a row with the gain over a control."""
        try:
            point = self._point(self.cell)
            gained = move(point, self._point(control))
        except MetricsError as error:
            return self.without(str(error), control.values.cell, matched)
        place = {"x": point.agreement.value, "y": point.distance.value}
        return self.without(note, control.values.cell, matched, **place, **_columns("gain", gained), **known)

    def split(self, plain: Sequence[GuidedCell], control: GuidedCell, matched: str) -> LedgerRow:
        """Return a row with the gain over a control and its parts."""
        try:
            curve = {other.cell.settings.guidance_scale: self._point(other) for other in plain}
            found = curve_shift(curve, self._point(self.cell), self._point(control))
        except MetricsError as error:
            return self.gain(control, matched, str(error))
        scale = {
            "curve_scale": found.scale,
            "curve_scale_low": found.low,
            "curve_scale_high": found.high,
        }
        if found.p_value is None:
            end = "smallest" if found.scale == min(curve) else "largest"
            note = f"nearest is the {end} plain scale: measure beyond it"
            return self.gain(control, matched, note, **scale)
        parts = {
            **_columns("along", found.along),
            **_columns("off", found.off),
            **_columns("difference", Move(found.off.vector, found.difference), values=False),
        }
        return self.gain(control, matched, "", **scale, **parts, p_value=found.p_value)

    def _point(self, cell: GuidedCell) -> PlanePoint:
        return _point(cell, self.axes, self.shared)


def _point(cell: GuidedCell, axes: _Axes | None, shared: Ids) -> PlanePoint:
    """Return a cell's point in the plane; MetricsError if it has none."""
    if axes is None:
        raise MetricsError("the run has no distance and score")
    if not cell.values.estimates[shared].keys() >= set(axes):
        raise MetricsError("too few prompts that all cells have")
    return plane_point(cell.values, shared, axes)


def _columns(name: str, moved: Move, *, values: bool = True) -> dict[str, float]:
    """Return a move's columns: x is the agreement, y the distance."""
    (yy, xy), (_, xx) = moved.covariance
    y, x = moved.vector
    columns = {"x": x, "y": y} if values else {}
    return {
        f"{name}_{key}": float(value) for key, value in (columns | {"xx": xx, "xy": xy, "yy": yy}).items()
    }


def _drawn(plain: Sequence[GuidedCell], axes: _Axes, shared: Ids) -> list[CfgCurveRow]:
    """Return the smooth curve through the cells; none if they are too few."""
    cells = sorted(plain, key=lambda cell: cell.cell.settings.guidance_scale)
    if len(cells) < FEWEST_SCALES:
        return []
    try:
        centres = np.array([_point(cell, axes, shared).centre for cell in cells])
    except MetricsError:
        return []
    scales = [cell.cell.settings.guidance_scale for cell in cells]
    spline = scale_spline(np.array(scales), _POINTS)
    between = zip([""] * _POINTS, spline.scales[1:-1], (spline.weights[0] @ centres)[1:-1], strict=False)
    measured = zip([cell.values.cell for cell in cells], scales, centres, strict=True)
    name = cells[0].values.curve
    return sorted(
        (
            CfgCurveRow(name, cell, float(scale), float(x), float(y))
            for cell, scale, (y, x) in (*between, *measured)
        ),
        key=lambda row: row.guidance_scale,
    )


def _call_rows(cell: GuidedCell) -> Iterator[EffectiveScaleRow]:
    for call, column in enumerate(cell.scales.T if cell.scales is not None else (), start=1):
        mean = _mean(column.astype(np.float64), cell.prompts)
        if mean is not None:
            yield EffectiveScaleRow(cell.values.cell, call, mean.value, mean.standard_error, mean.n)


def _mean(values: np.ndarray, prompts: Sequence[str]) -> Estimate | None:
    """Return the mean of the known values [n]; images of a prompt count as one cluster. None without any."""
    known = np.isfinite(values)
    rows = values[known]
    if not rows.size:
        return None
    if rows.size == 1:
        return Estimate(float(rows[0]), None, 1, None)
    estimate = Estimate(float(rows.mean()), standard_error_of_mean(rows), rows.size, rows)
    return with_clusters(estimate, list(compress(prompts, known)))


def _mean_of_known(scales: np.ndarray, axis: int) -> np.ndarray:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Mean of empty slice")
        return np.asarray(np.nanmean(scales.astype(np.float64), axis=axis))


def _same(one: GuidedCell, other: GuidedCell, setting: str) -> bool:
    """Return whether two cells have the same checkpoint, sampler and this setting."""
    names = ("sampler", "eta", setting)
    a, b = one.cell, other.cell
    return a.checkpoint == b.checkpoint and all(
        getattr(a.settings, name) == getattr(b.settings, name) for name in names
    )


def _apart(one: GuidedCell, other: GuidedCell) -> float:
    """Return by how many evaluations two cells differ; infinite if that is not known."""
    return float("inf") if one.nfe is None or other.nfe is None else abs(one.nfe - other.nfe)
