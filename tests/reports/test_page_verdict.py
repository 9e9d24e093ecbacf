"""The verdict says which cell won, by how much and how sure that is, and claims no more than the tests do."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from reports.album import Album
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
        "The lead of v2 is settled: p < 0.0001 against every cell of the other checkpoints (paired tests, "
        "corrected for all 45 pairs). Its guidance scale is not: 2 cannot be told apart from 1.5. "
        "The probability that its whole curve is ahead of that of v1 in both metrics is over 99%."
    )
    assert badges(content) == [("Checkpoint", "v2", "settled"), ("Guidance scale", "1.5 or 2", "not settled")]


def test_when_nothing_is_settled_the_verdict_says_so(scored_run: Path) -> None:
    rewrite(scored_run, "comparisons.csv", p_holm=1.0)
    rewrite(scored_run, "dominance.csv", probability=0.4)
    content = told(scored_run)
    assert content["sure"].startswith(
        "The lead is not settled: the cell cannot be told apart from v2 at 1.5, v2 at 3 and 7 other cells"
    )
    assert content["sure"].endswith("in both metrics is 40%.")
    assert badges(content) == [
        ("Checkpoint", "v2 or v1", "not settled"),
        ("Guidance scale", "1.5, 2, 3, 5 or 8", "not settled"),
    ]
    assert [card.winner for card in content["cards"]][-1] == "None"


def test_when_all_is_settled_the_weakest_test_is_named(scored_run: Path) -> None:
    rewrite(scored_run, "comparisons.csv", p_holm=0.0123)
    content = told(scored_run)
    assert content["sure"].startswith(
        "The lead over every other cell is settled: p = 0.01 or less (paired tests"
    )
    assert {state for _, _, state in badges(content)} == {"settled"}


def test_without_comparisons_no_certainty_is_claimed(make_run: MakeRun) -> None:
    content = told(make_run())
    assert content["sure"].startswith("How sure that is cannot be told: the run has no comparisons.csv")
    assert badges(content) == [("Checkpoint", "v2", "not tested"), ("Guidance scale", "2", "not tested")]


def test_one_checkpoint_is_compared_with_its_own_next_cell(make_run: MakeRun, results: pd.DataFrame) -> None:
    content = told(make_run(results[results["checkpoint"] == "v1"]))
    assert "0.500 lower than the next, v1 at guidance scale 5" in content["which"]
    assert [question for question, _, _ in badges(content)] == ["Guidance scale"]


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
    rewrite(scored_run, "comparisons.csv", p_value=float("nan"), p_holm=float("nan"))
    assert "with so few images this metric has no error" in told(scored_run)["sure"]
