"""The guidance ledger: effective scales, gains, and which control they are counted from."""

from __future__ import annotations

import numpy as np
import pytest

from metrics import PROTOCOLS, Estimate, PlanePoint
from metrics.compare import holm
from metrics.curve_shift import curve_shift
from metrics.uncertainty import standard_error_of_mean
from sdbench.models.settings import Settings
from sdbench.runs.ledger_tables import LedgerRow
from sdbench.runs.plan import Cell
from sdbench.scoring.compare import CellValues
from sdbench.scoring.ledger import GuidedCell, guidance_ledger

N = 60
IDS = tuple(f"p{place}" for place in range(N))
SCORE, DISTANCE = PROTOCOLS["clip-score-shapes"].name, PROTOCOLS["kd-shapes-clip"].name
AXES = (SCORE, DISTANCE)
SCALES = (1.5, 2.0, 3.0, 4.0, 6.0, 8.0)
NOISE = np.random.default_rng(1).standard_normal((2, 2, N))


def of(row: np.ndarray) -> Estimate:
    return Estimate(float(row.mean()), standard_error_of_mean(row), row.size, row)


def cell(
    scale: float,
    guidance: str = "cfg",
    *,
    worth: float | None = None,
    shift: float = 0.0,
    steps: int = 20,
    nfe: int = 40,
    calls: np.ndarray | None = None,
) -> GuidedCell:
    """Return a cell with the values of plain guidance at `worth`, its distance moved by `shift`."""
    asked = Settings("ddim", steps, 0.0, scale, 64, 64, 1, guidance=guidance)
    place = np.log((worth or scale) / 3)
    own = 0.01 * np.random.default_rng([int(100 * scale), steps, len(guidance)]).standard_normal((2, N))
    smooth = NOISE[0] + 0.3 * NOISE[1] * place + own
    distance, score = (
        2 + 2 * place**2 + shift + smooth[0],
        0.7 - 0.3 * np.exp(-(worth or scale) / 2) + smooth[1],
    )
    found = Cell("tiny", asked, "w", "c")
    values = CellValues(found.folder, "tiny", scale, IDS, {IDS: {DISTANCE: of(distance), SCORE: of(score)}})
    return GuidedCell(found, values, [f"prompt {id_}" for id_ in IDS], nfe, calls)


PLAIN = [cell(scale) for scale in SCALES]
CALLS = np.column_stack([np.full(N, 1.0), np.linspace(4, 6, N), np.full(N, np.nan)]).astype(np.float32)


def ledger(*guided: GuidedCell, controlled: tuple[tuple[str, float], ...] = ()) -> list[LedgerRow]:
    return guidance_ledger([*PLAIN, *guided], AXES, controlled).rows


def test_plain_scales_alone_have_no_ledger() -> None:
    found = guidance_ledger(PLAIN, AXES, ())
    assert (found.rows, found.scales, found.curves) == ([], [], [])


def test_effective_scales_are_means_of_the_known_calls() -> None:
    found = guidance_ledger([*PLAIN, cell(7.0, "apg", calls=CALLS)], AXES, ())
    assert [(row.call, row.scale) for row in found.scales] == [(1, 1.0), (2, pytest.approx(5.0))]
    (row,) = found.rows
    assert row.effective_scale == pytest.approx(3.0)  # (1 + 5) / 2
    assert row.effective_scale_error == pytest.approx(standard_error_of_mean(CALLS[:, 1]) / 2, rel=1e-4)
    assert (row.matched, row.control) == ("effective scale", PLAIN[2].values.cell)


def test_parts_of_the_gain_are_those_of_the_curve() -> None:
    way = cell(7.0, "apg", worth=3.5, shift=-0.3, calls=CALLS)
    (row,) = ledger(way)
    points = {one.values.guidance_scale: one.values.estimates[IDS] for one in [*PLAIN, way]}
    plane = {scale: PlanePoint(values[DISTANCE], values[SCORE]) for scale, values in points.items()}
    own = plane.pop(7.0)
    expected = curve_shift(plane, own, plane[3.0])
    assert (row.off_y, row.off_x) == pytest.approx(expected.off.vector)
    assert (row.along_yy, row.along_xy, row.along_xx) == pytest.approx(
        expected.along.covariance.ravel()[[0, 1, 3]]
    )
    assert row.curve_scale == expected.scale
    assert row.gain_y == pytest.approx((row.along_y or 0) + (row.off_y or 0))
    assert row.y == own.distance.value
    assert row.p_value == expected.p_value
    assert (row.p_value or 1) < 0.001


def test_p_values_are_corrected_for_all_cells() -> None:
    rows = ledger(*(cell(9.0, f"apg?norm={norm}", worth=3 + norm, shift=-0.01) for norm in (1, 2, 3)))
    assert [row.p_holm for row in rows] == pytest.approx(holm([row.p_value or 0 for row in rows]))
    assert {row.note for row in rows} == {"effective scales were not logged"}


def test_a_named_control_has_the_scale_and_one_has_the_evaluations() -> None:
    way = cell(4.0, "pag", worth=3.5, nfe=60, calls=CALLS)
    more, unrelated = cell(4.0, steps=30, nfe=60), cell(4.0, steps=10, nfe=20)
    by_scale, by_cost = ledger(way, more, unrelated, controlled=(("pag", 4.0),))
    assert (by_scale.matched, by_scale.control) == ("scale", PLAIN[3].values.cell)
    assert (by_cost.matched, by_cost.control) == ("evaluations", more.values.cell)
    assert by_cost.gain_x is not None
    assert (by_cost.off_x, by_cost.p_value, by_cost.p_holm) == (None, None, None)
    (alone,) = ledger(way, unrelated, controlled=(("pag", 4.0),))
    assert alone.matched == "scale"


def test_what_is_not_known_is_said() -> None:
    (beyond,) = ledger(cell(9.0, "apg", worth=20.0))
    assert beyond.note.endswith("nearest is the largest plain scale: measure beyond it")
    assert (beyond.curve_scale, beyond.off_x, beyond.p_value) == (8.0, None, None)
    assert beyond.gain_x is not None
    (no_curve,) = ledger(cell(5.0, "apg", steps=50, calls=CALLS))
    assert no_curve.note == "the run has no plain guidance_scales with its checkpoint, sampler and steps"
    (few,) = guidance_ledger([*PLAIN[:3], cell(5.0, "apg", calls=CALLS)], AXES, ()).rows
    assert few.note == "3 guidance scales, at least 4 are needed"
    assert few.gain_x is not None
    (no_plane,) = guidance_ledger([*PLAIN, cell(5.0, "apg", calls=CALLS)], None, ()).rows
    assert (no_plane.note, no_plane.gain_x) == ("the run has no distance and score", None)
    assert no_plane.effective_scale is not None


def test_the_drawn_curve_goes_through_its_cells() -> None:
    rows = guidance_ledger([*PLAIN, cell(5.0, "apg")], AXES, ()).curves
    measured = {row.cell: (row.x, row.y) for row in rows if row.cell}
    assert measured == {
        one.values.cell: (one.values.estimates[IDS][SCORE].value, one.values.estimates[IDS][DISTANCE].value)
        for one in PLAIN
    }
    assert [row.guidance_scale for row in rows] == sorted(row.guidance_scale for row in rows)
    assert len(rows) > 40
