"""Which cell is the best, and how curves differ as a whole."""

from __future__ import annotations

import numpy as np
import pytest

from metrics import PROTOCOLS, Estimate
from metrics.best import chances_of_best, images_to_settle
from metrics.best_scale import best_scale
from metrics.compare import compare
from metrics.uncertainty import standard_error_of_mean
from sdbench.scoring.best_scales import best_scales
from sdbench.scoring.compare import CellValues
from sdbench.scoring.verdict import best_cells, curve_pairs

SCORE = PROTOCOLS["clip-score-shapes"]
N = 50
IDS = tuple(f"p{place}" for place in range(N))


def mean_of(values: np.ndarray) -> Estimate:
    return Estimate(float(values.mean()), standard_error_of_mean(values), values.size, values)


@pytest.fixture(scope="module")
def values() -> dict[tuple[str, float], np.ndarray]:
    """The scores of three curves at two scales; c has a third scale."""
    random = np.random.default_rng(2)
    shared = random.normal(size=N)
    level = {"a": 1.0, "b": 0.0, "c": -0.02}
    places = [(curve, scale) for curve in level for scale in (2.0, 5.0)] + [("c", 9.0)]
    return {place: shared + 0.2 * random.normal(size=N) + level[place[0]] for place in places}


def cells(values: dict[tuple[str, float], np.ndarray]) -> list[CellValues]:
    return [
        CellValues(f"{curve}@{scale:g}", curve, scale, IDS, {IDS: {SCORE.name: mean_of(each)}})
        for (curve, scale), each in values.items()
    ]


def test_curves_are_compared_by_their_means_over_the_scales_that_both_have(
    values: dict[tuple[str, float], np.ndarray],
) -> None:
    rows = {(row.a, row.b): row for row in curve_pairs(cells(values), [SCORE])}
    assert list(rows) == [("a", "b"), ("a", "c"), ("b", "c")]
    assert [row.scales for row in rows.values()] == [2, 2, 2]
    means = {curve: mean_of((values[curve, 2.0] + values[curve, 5.0]) / 2) for curve in "abc"}
    for (a, b), row in rows.items():
        test = compare(means[a], means[b])
        assert row.difference == pytest.approx(test.difference)
        assert row.standard_error == pytest.approx(test.standard_error)
        needed = images_to_settle(test, N, 3)
        assert needed is not None
        assert (row.needed_low, row.needed, row.needed_high) == pytest.approx(
            (needed.low, needed.measured, needed.high)
        )
    assert (rows["a", "b"].p_holm or 1) < 0.001
    assert (rows["b", "c"].p_holm or 0) > 0.05
    assert (rows["b", "c"].needed or 0) > N


def test_curves_without_a_common_scale_are_not_compared(values: dict[tuple[str, float], np.ndarray]) -> None:
    apart = {place: each for place, each in values.items() if place in (("a", 2.0), ("c", 9.0))}
    assert curve_pairs(cells(apart), [SCORE]) == []


def test_cells_that_cannot_be_the_best_are_told(values: dict[tuple[str, float], np.ndarray]) -> None:
    made = cells(values)
    rows = {row.cell: row for row in best_cells(made, [SCORE])}
    expected = chances_of_best({cell.cell: cell.estimates[IDS][SCORE.name] for cell in made}, "higher")
    assert {name: row.p_best for name, row in rows.items()} == expected
    assert {name for name, row in rows.items() if row.p_best >= 0.05} == {"a@2", "a@5"}
    leader = max(("a@2", "a@5"), key=lambda name: rows[name].p_best)
    assert rows[leader].needed is None
    assert (rows["b@2"].needed or N) < N


def test_values_without_errors_have_no_rows(values: dict[tuple[str, float], np.ndarray]) -> None:
    made = [
        CellValues(name, name, 2.0, IDS, {IDS: {SCORE.name: Estimate(1.0, None, N, None, "too few")}})
        for name in "ab"
    ]
    assert best_cells(made, [SCORE]) == []
    (row,) = curve_pairs(made, [SCORE])
    assert (row.p_value, row.p_holm, row.needed, row.needed_low, row.note) == (
        None,
        None,
        None,
        None,
        "too few",
    )


SCALES = (1.5, 2.0, 3.0, 5.0, 8.0)


def curve(name: str, top: float, level: float = 0.0) -> list[CellValues]:
    """Return the cells of a curve that is best at ``top``, over the same noise as every other curve."""
    noise, slope = np.random.default_rng(3).normal(size=(2, N))
    made = []
    for scale in SCALES:
        place = np.log(scale / top)
        rows = level - place**2 + noise + 0.3 * slope * np.log(scale / 3)
        values = {ids: {SCORE.name: mean_of(rows[: len(ids)])} for ids in (IDS, IDS[:30])}
        made.append(CellValues(f"{name}@{scale:g}", name, scale, IDS, values))
    return made


def test_curves_have_best_scales_and_are_compared_there() -> None:
    made = [*curve("a", 3.0), *curve("b", 6.0, level=0.5), *curve("c", 50.0)]
    rows, pairs = best_scales(made, [SCORE])
    assert [(row.protocol, row.curve, row.scales, row.n) for row in rows] == [
        (SCORE.name, name, 5, N) for name in "abc"
    ]
    a, b, c = rows
    assert a.low < 3 < a.high < b.low < 6 < b.high
    assert (a.note, c.scale, c.high, c.note) == ("", 8.0, 8.0, "the best scale may be above 8")
    expected = best_scale(
        {cell.guidance_scale: cell.estimates[IDS][SCORE.name] for cell in made[:5]}, "higher"
    )
    assert expected is not None
    assert (a.scale, a.low, a.high, a.value) == (
        expected.scale,
        expected.low,
        expected.high,
        expected.value.value,
    )
    assert [(pair.a, pair.b, pair.scales) for pair in pairs] == [("a", "b", 5), ("a", "c", 5), ("b", "c", 5)]
    assert pairs[0].difference == pytest.approx(-0.5, abs=0.05)
    assert pairs[0].p_holm == pytest.approx(0, abs=1e-6)


def test_cells_that_a_budget_ruled_out_are_not_part_of_the_curve() -> None:
    short = [
        CellValues(cell.cell, cell.curve, cell.guidance_scale, IDS[:30], cell.estimates)
        for cell in curve("a", 5.0)[:1]
    ]
    made = [*short, *curve("a", 5.0)[1:]]
    (row,), _ = best_scales(made, [SCORE], longest_only=True)
    assert (row.scales, row.n) == (4, N)
    (row,), _ = best_scales(made, [SCORE])
    assert (row.scales, row.n) == (5, 30)


def test_two_scales_have_no_best_one_between_them(values: dict[tuple[str, float], np.ndarray]) -> None:
    assert best_scales(cells({place: each for place, each in values.items() if place[1] < 9}), [SCORE]) == (
        [],
        [],
    )
