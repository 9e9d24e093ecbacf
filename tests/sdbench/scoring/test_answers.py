"""Which cell is the best, and how curves differ as a whole."""

from __future__ import annotations

import numpy as np
import pytest

from metrics import PROTOCOLS, Estimate
from metrics.best import chances_of_best, images_to_settle
from metrics.compare import compare
from metrics.uncertainty import standard_error_of_mean
from sdbench.scoring.answers import best_cells, curve_pairs
from sdbench.scoring.compare import CellValues

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
