"""Rows of the guidance ledger: what each way of guiding amounts to, and what it gains over plain scales."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["CfgCurveRow", "EffectiveScaleRow", "LedgerRow"]


@dataclass(frozen=True)
class LedgerRow:
    """What a guided cell gains over a cell of plain guidance, its `control`, in the plane of two protocols.

    `matched` says what both have in common: "effective scale" (as near as the run has), "scale" or
    "evaluations". `effective_scale` is the mean of EffectiveScaleRow over calls and images. `curve_scale` is
    the scale at which plain guidance, `cfg_curve`, comes nearest to the cell. The gain is a move along that
    curve and a shift off it, each with the covariance of its joint error; x is the score, y the distance.
    `difference` is the covariance of the cell minus the curve at that scale. `p_value` is of "the cell lies
    on the curve", `p_holm` corrected for all cells of the table. If something is not known, `note` says why.
    """

    cell: str
    cfg_curve: str
    control: str
    matched: str
    x_protocol: str
    y_protocol: str
    n: int
    note: str
    x: float | None = None
    y: float | None = None
    effective_scale: float | None = None
    effective_scale_error: float | None = None
    curve_scale: float | None = None
    curve_scale_low: float | None = None
    curve_scale_high: float | None = None
    gain_x: float | None = None
    gain_y: float | None = None
    gain_xx: float | None = None
    gain_xy: float | None = None
    gain_yy: float | None = None
    along_x: float | None = None
    along_y: float | None = None
    along_xx: float | None = None
    along_xy: float | None = None
    along_yy: float | None = None
    off_x: float | None = None
    off_y: float | None = None
    off_xx: float | None = None
    off_xy: float | None = None
    off_yy: float | None = None
    difference_xx: float | None = None
    difference_xy: float | None = None
    difference_yy: float | None = None
    p_value: float | None = None
    p_holm: float | None = None


@dataclass(frozen=True)
class EffectiveScaleRow:
    """The plain guidance scale that a denoiser call of a cell amounts to, as the mean of n images.

    Calls count from 1. Calls that were not measured have no row.
    """

    cell: str
    call: int
    scale: float
    standard_error: float | None
    n: int


@dataclass(frozen=True)
class CfgCurveRow:
    """A point of the smooth curve through cells of plain guidance, for the picture of the ledger.

    `cell` is the cell that was measured there, "" between the cells.
    """

    cfg_curve: str
    cell: str
    guidance_scale: float
    x: float
    y: float
