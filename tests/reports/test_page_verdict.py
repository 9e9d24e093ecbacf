"""The verdict says which cell won, by how much and how sure that is, and claims no more than the tests do."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from reports.album import Album
from reports.curves import CurveOrder, curve_order
from reports.runs import open_run
from reports.sections import Material
from reports.sections.verdict import verdict
from reports.standing import standing

MakeRun = Callable[..., Path]


def told(run: Path) -> Mapping[str, Any]:
    opened = open_run(run)
    return verdict(Material(opened, Album(opened))).content


def rewrite(run: Path, name: str, **columns: object) -> None:
    pd.read_csv(run / name).assign(**columns).to_csv(run / name, index=False)


def badges(content: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    return [(badge.question, badge.answer, badge.state) for badge in content["badges"]]


def test_one_sentence_has_the_winner_its_interval_and_its_lead(scored_run: Path) -> None:
    content = told(scored_run)
    assert content["winner"] == "v2 at guidance scale 2"
    assert content["which"] == (
        "has the lowest Fréchet distance (test features): 1.000 (95% interval 0.902 to 1.098), 3.000 lower "
        "than the best of the other checkpoints, v1 at guidance scale 3 "
        "(95% interval of the difference 2.804 to 3.196)."
    )


def test_a_checkpoint_may_be_settled_when_its_scale_is_not(scored_run: Path) -> None:
    content = told(scored_run)
    assert content["sure"] == (
        "The lead of v2 is settled for these weights: p < 0.0001 against every cell of the other checkpoints "
        "(paired tests "
        "with the best, corrected for all 9 other cells). Its guidance scale is not: 2 cannot be told apart "
        "from 1.5; settling it takes about 880 to 5,300 images a cell. "
        "The probability that its whole curve is ahead of that of v1 in both metrics is over 99%."
    )
    assert content["orders"] == [
        "Fréchet distance, mean over 5 guidance scales: v2 is ahead of v1 (settled).",
        "CLIP score, mean over 5 guidance scales: v2 is ahead of v1 (settled).",
    ]
    assert content["headline"] == "By distance and by score, v2 is ahead of v1."
    assert badges(content) == [
        ("Best by distance", "v2", "settled"),
        ("Best by score", "v2", "settled"),
        ("Guidance scale of v2", "1.5 or 2", "not settled"),
    ]


def test_when_nothing_is_settled_the_verdict_says_so(scored_run: Path) -> None:
    rewrite(scored_run, "best.csv", p_best=1.0, needed_low=250_000.0, needed_high=np.inf)
    rewrite(scored_run, "curves.csv", p_holm=1.0, needed_low=1210.0, needed_high=np.inf)
    rewrite(scored_run, "dominance.csv", probability=0.4)
    content = told(scored_run)
    assert content["sure"].startswith(
        "The lead is not settled: the cell cannot be told apart from v2 at 1.5, v2 at 3 and 7 other cells; "
        "settling it takes over 100,000 images a cell"
    )
    assert content["sure"].endswith("in both metrics is 40%.")
    assert content["orders"][0] == (
        "Fréchet distance, mean over 5 guidance scales: not settled is v2 against v1 (settling it takes at "
        "least about 1,300 images a cell)."
    )
    assert content["headline"] == "The order of the curves is not settled with 512 images a cell."
    assert badges(content) == [
        ("Best by distance", "v2 or v1", "not settled"),
        ("Best by score", "v2 or v1", "not settled"),
        ("Guidance scale of v2", "1.5, 2, 3, 5 or 8", "not settled"),
    ]
    assert [card.winner for card in content["cards"]][-1] == "None"


def test_when_all_is_settled_the_weakest_test_is_named(scored_run: Path) -> None:
    rewrite(scored_run, "best.csv", p_best=0.0123)
    content = told(scored_run)
    assert content["sure"].startswith(
        "The lead over every other cell is settled for these weights: p = 0.01 or less (paired tests"
    )
    assert {state for _, _, state in badges(content)} == {"settled"}


def test_without_comparisons_no_certainty_is_claimed(make_run: MakeRun) -> None:
    content = told(make_run())
    assert content["sure"].startswith("How sure that is cannot be told: the run has no best.csv")
    assert content["orders"] == []
    assert badges(content) == [("Guidance scale of v2", "2", "not tested")]


def test_one_checkpoint_is_compared_with_its_own_next_cell(make_run: MakeRun, results: pd.DataFrame) -> None:
    content = told(make_run(results[results["checkpoint"] == "v1"]))
    assert "0.500 lower than the next, v1 at guidance scale 5" in content["which"]
    assert [question for question, _, _ in badges(content)] == ["Guidance scale of v1"]


def test_a_value_without_an_error_has_no_interval(make_run: MakeRun, results: pd.DataFrame) -> None:
    content = told(make_run(results.assign(standard_error=float("nan"))))
    assert "1.000, 3.000 lower than" in content["which"]
    assert "interval" not in content["which"]


def test_differences_are_rival_minus_best_whichever_way_they_are_stored(scored_run: Path) -> None:
    stand = standing(open_run(scored_run), "fd-test")
    rivals = stand.rivals.set_index("short")
    # v1 cells come before the best one in comparisons.csv, v2 at 3 after it.
    assert rivals.loc["v1 at 3", "difference"] == 3.0
    assert rivals.loc["v1 at 3", "low"] < 3.0 < rivals.loc["v1 at 3", "high"]
    assert round(rivals.loc["v2 at 3", "difference"], 9) == 0.4
    assert rivals.loc["v2 at 3", "low"] < 0.4 < rivals.loc["v2 at 3", "high"]
    assert list(stand.unsettled["short"]) == ["v2 at 1.5"]


def test_scores_are_best_when_they_are_high(scored_run: Path) -> None:
    stand = standing(open_run(scored_run), "clip-score-test")
    assert stand.best["short"] == "v2 at 5"
    assert (stand.rivals["difference"] < 0).all()


def test_a_rival_that_is_surely_better_is_not_settled_behind(scored_run: Path) -> None:
    """Over common prompts, a rival with fewer images may be ahead of the best cell."""
    pairs = pd.read_csv(scored_run / "comparisons.csv")
    ahead = (pairs["protocol"] == "fd-test") & (pairs["a"] == "v1_s3") & (pairs["b"] == "v2_s2")
    assert ahead.sum() == 1
    pairs.loc[ahead, ["difference", "low", "high"]] *= -1
    pairs.to_csv(scored_run / "comparisons.csv", index=False)
    rivals = standing(open_run(scored_run), "fd-test").rivals.set_index("cell")
    assert not rivals.loc["v1_s3", "settled"]
    assert rivals.loc["v1_s2", "settled"]


def test_values_without_an_error_are_given_as_the_reason(scored_run: Path) -> None:
    rewrite(scored_run, "best.csv", p_best=float("nan"))
    assert "with so few images this metric has no error" in told(scored_run)["sure"]


def test_a_distance_below_zero_comes_with_the_reason(scored_run: Path) -> None:
    results = pd.read_csv(scored_run / "results.csv")
    lowest = (results["protocol"] == "fd-test") & (results["cell"] == "v2_s2")
    results.loc[lowest, "value"] = -0.18
    results.to_csv(scored_run / "results.csv", index=False)
    content = told(scored_run)
    assert "−0.180 (95% interval −0.278 to −0.082), " in content["which"]
    assert content["which"].endswith("). An unbiased estimate of a small distance can fall below 0.")
    assert content["cards"][0].remark.endswith(". An unbiased estimate of a small distance can fall below 0.")


def test_the_headline_says_for_each_metric_what_is_settled(scored_run: Path) -> None:
    pairs = pd.read_csv(scored_run / "curves.csv")
    pairs.loc[pairs["protocol"] == "fd-test", "p_holm"] = 0.2
    pairs.to_csv(scored_run / "curves.csv", index=False)
    assert told(scored_run)["headline"] == (
        "By score, v2 is ahead of v1; by distance, no order of the curves is settled."
    )
    (scored_run / "curves.csv").unlink()
    assert told(scored_run)["headline"] == "v2 at guidance scale 2 is the best cell by Fréchet distance."


def test_a_run_scored_before_ranges_were_stored_names_no_number(scored_run: Path) -> None:
    rewrite(scored_run, "curves.csv", p_holm=1.0)
    pairs = pd.read_csv(scored_run / "curves.csv").drop(columns=["needed_low", "needed_high"])
    pairs.to_csv(scored_run / "curves.csv", index=False)
    assert told(scored_run)["orders"][0].endswith("not settled is v2 against v1.")


def order_by(run: Path, pairs: list[tuple[str, str, float, float]]) -> CurveOrder:
    """The order of a run's curves by pairs (a, b, difference, corrected p-value)."""
    rows = [
        {
            "protocol": "fd-test",
            "a": a,
            "b": b,
            "difference": gap,
            "p_holm": p,
            "needed": 900 / abs(gap),
            "needed_low": 300 / abs(gap),
            "needed_high": 2700 / abs(gap),
        }
        for a, b, gap, p in pairs
    ]
    pd.DataFrame(rows).assign(
        scales=2, n=64, note="", **dict.fromkeys(["standard_error", "low", "high"], 1)
    ).assign(p_value=0.5).to_csv(run / "curves.csv", index=False)
    order = curve_order(open_run(run), "fd-test")
    assert order is not None
    return order


def test_the_settled_order_leaves_out_what_follows_and_says_what_is_open(scored_run: Path) -> None:
    """Between a settled first and last, a curve that neither is settled against does not hide them."""
    pairs = [("a", "b", -1.0, 0.6), ("a", "c", -2.0, 0.001), ("b", "c", -1.0, 0.3), ("d", "c", 1.0, 0.01)]
    order = order_by(scored_run, [*pairs, ("a", "d", -3.0, 0.001), ("b", "d", -2.0, 0.2)])
    assert order.steps == [("a", "c"), ("c", "d")]
    assert order.leading == ["a", "b"]
    assert order.sentence == (
        "Fréchet distance, mean over 2 guidance scales: a is ahead of c, c of d (settled); not settled is b "
        "against d (settling it takes about 150 to 1,400 images a cell), a against b (about 300 to 2,700), b "
        "against c (about 300 to 2,700)."
    )


def test_curves_that_are_ahead_of_the_same_ones_are_named_together(scored_run: Path) -> None:
    better = [("a", "c"), ("b", "c"), ("a", "d"), ("b", "d"), ("a", "e"), ("b", "e"), ("c", "e"), ("d", "e")]
    pairs = [(x, y, -1.0, 0.001) for x, y in better]
    order = order_by(scored_run, [*pairs, ("a", "b", -0.1, 0.7), ("c", "d", -0.1, 0.7)])
    assert order.settled == "a and b are ahead of c and d, c and d of e"
