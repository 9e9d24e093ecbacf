"""Budgets: valid specs, which cells get more prompts, and when a course ends."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from metrics import Estimate
from metrics.sequential import always_valid_factor
from metrics.uncertainty import standard_error_of_mean
from sdbench.core.errors import SpecError
from sdbench.spec import load_spec
from sdbench.spec.budget import Budget
from sdbench.sweep.budget.course import Course, follow, next_look
from sdbench.sweep.budget.rules import BestScales, Ranking, Until

Scores = Mapping[str, np.ndarray]
Block = tuple[tuple[str, ...], int, int]

ENDS = list(range(32, 1025, 32))


def scores(means: Mapping[str, float], spread: float = 1.0, seed: int = 3) -> Scores:
    """Scores of 1024 images per cell; the cells share most of their noise."""
    rng = np.random.default_rng(seed)
    shared = rng.normal(size=ENDS[-1])
    return {cell: mean + spread * (shared + 0.3 * rng.normal(size=ENDS[-1])) for cell, mean in means.items()}


def estimate(values: np.ndarray) -> Estimate:
    return Estimate(float(values.mean()), standard_error_of_mean(values), values.size, values)


def course(rule: Any, given: Scores, ends: Sequence[int] = ENDS) -> tuple[Course[str], list[Block]]:
    """Follow a rule over cells with given scores, and list the blocks of work."""
    blocks: list[Block] = []

    def work(cells: Sequence[str], done: int, wanted: int) -> None:
        blocks.append((tuple(cells), done, wanted))

    def measure(cell: str, n: int) -> Estimate:
        made = [wanted for cells, _, wanted in blocks if cell in cells]
        assert n == max(made), "measured images that were not made"
        return estimate(given[cell][:n])

    return follow(rule, list(given), ends, work, measure, lambda text: None), blocks


def ranking(contenders: Mapping[str, Sequence[str]], better: str = "lower") -> Ranking[str]:
    return Ranking(contenders, better, 0.95)


@pytest.mark.parametrize(
    ("until", "half_width"),
    [("fd-shapes-clip +- 0.3", 0.3), ("fd-shapes-clip±2", 2.0), ("fd-shapes-clip +/- .5e-1", 0.05)],
)
def test_until_names_a_protocol_and_a_half_width(until: str, half_width: float) -> None:
    budget = Budget(until=until)
    assert budget.half_width == half_width
    assert budget.protocol_of(["clip-score-shapes", "fd-shapes-clip"]) == "fd-shapes-clip"
    assert budget.confidence == 0.95


def test_a_ranking_is_by_the_first_metric_or_by_the_named_one() -> None:
    metrics = ["kd-shapes-clip", "fd-shapes-clip"]
    assert Budget(resolve="ranking").protocol_of(metrics) == "kd-shapes-clip"
    assert Budget(resolve="ranking", protocol="fd-shapes-clip").protocol_of(metrics) == "fd-shapes-clip"


@pytest.mark.parametrize(
    ("budget", "said"),
    [
        ({}, "budget: give either until"),
        ({"until": "fid-inception-tf +- 1", "resolve": "ranking"}, "budget: give either until"),
        ({"until": "fid-inception-tf"}, "budget: until: 'fid-inception-tf' is not PROTOCOL +- HALF-WIDTH"),
        ({"until": "fid-inception-tf +- 0"}, "above 0"),
        (
            {"until": "fid +- 0.3"},
            "budget: 'fid' is not among the metrics: did you mean 'fid-inception-tf'?",
        ),
        ({"until": "fid-inception-tf +- 1", "protocol": "fid-inception-tf"}, "until names its own"),
        ({"resolve": "everything"}, "budget.resolve: 'everything'; allowed: 'ranking' or 'best-scale'"),
        ({"resolve": "ranking", "confidence": 95}, "budget.confidence: 95 is out of range"),
        ({"resolve": "ranking", "sure": 1}, "budget.sure: unknown key; known: until, resolve, protocol"),
        ("ranking", "budget: 'ranking' is not a mapping of keys"),
    ],
)
def test_a_wrong_budget_is_one_line(
    budget: object, said: str, tiny: dict[str, Any], spec_file: Callable[[dict[str, Any]], Path]
) -> None:
    with pytest.raises(SpecError) as error:
        load_spec(spec_file({**tiny, "budget": budget}))
    assert said in str(error.value)
    assert "\n" not in str(error.value)


def test_until_gives_prompts_to_the_cells_that_need_them() -> None:
    given = {**scores({"quiet": 0.0}, spread=0.5), **scores({"loud": 0.0}, spread=1.0)}
    took, blocks = course(Until(0.15, 0.95), given)
    assert took.prompts["quiet"] < took.prompts["loud"] < ENDS[-1]
    for cell, n in took.prompts.items():
        error = estimate(given[cell][:n]).standard_error
        assert error is not None
        assert always_valid_factor(n, 0.05) * error <= 0.15
        assert took.reasons[cell].startswith("always-valid interval ± 0.1")
    assert took.verdict == "2 of 2 cells are known to ± 0.15"
    assert blocks[-1][0] == ("loud",)


def test_until_waits_if_rare_images_decide() -> None:
    rare = np.resize([1.0] + [0.0] * 24, 1024)
    error = estimate(rare[:544]).standard_error
    assert error is not None
    took, _ = course(Until(always_valid_factor(544, 0.05) * error, 0.95), {"rare": rare})
    assert took.prompts["rare"] == 640  # 25 times the squared skewness is 551
    plain = Estimate(0.04, error, 544, None)
    assert Until[str](1.0, 0.95).look(544, {"rare": plain}) == frozenset()


def test_until_ends_with_the_prompt_set() -> None:
    took, _ = course(Until(0.01, 0.95), scores({"a": 0.0}))
    assert took.prompts == {"a": ENDS[-1]}
    assert took.reasons == {"a": "prompt set used up"}
    assert took.verdict == "0 of 1 cells are known to ± 0.01"


@pytest.mark.parametrize(
    ("better", "order"), [("lower", ("first", "second", "third")), ("higher", ("third", "second", "first"))]
)
def test_a_clear_ranking_stops_at_the_first_look(better: str, order: tuple[str, ...]) -> None:
    rule = ranking({"second": ["s"], "third": ["t"], "first": ["f"]}, better)
    took, blocks = course(rule, scores({"s": 2.0, "t": 3.0, "f": 1.0}))
    assert blocks == [(("s", "t", "f"), 0, 128)]
    assert rule.order == order
    assert took.verdict == f"settled: {' > '.join(order)}"
    assert set(took.reasons.values()) == {"no open comparison needs it"}
    assert all(claim.endswith("at 128 prompts") for claim in rule.claims())


def test_only_cells_whose_order_is_open_get_more_prompts() -> None:
    rule = ranking({"a": ["a"], "b": ["b"], "far": ["far"]})
    took, blocks = course(rule, scores({"a": 1.0, "b": 1.1, "far": 5.0}))
    assert blocks[0][0] == ("a", "b", "far")
    assert all(cells == ("a", "b") for cells, _, _ in blocks[1:])
    assert all(done == before for (_, _, before), (_, done, _) in pairwise(blocks))
    assert took.prompts["far"] == 128 < took.prompts["a"] == took.prompts["b"] < ENDS[-1]
    assert rule.order == ("a", "b", "far")


def test_contenders_are_ranked_by_their_best_cells_and_the_others_are_dropped() -> None:
    rule = ranking({"a": ["a-good", "a-bad"], "b": ["b-bad", "b-good"]})
    took, blocks = course(rule, scores({"a-good": 1.0, "a-bad": 3.0, "b-bad": 3.0, "b-good": 1.08}))
    assert rule.order == ("a", "b")
    assert took.prompts["a-bad"] == took.prompts["b-bad"] == 128
    assert took.prompts["a-good"] == took.prompts["b-good"] > 128
    assert len(blocks) > 1


def test_a_tie_is_not_settled_and_uses_up_the_prompts() -> None:
    rule = ranking({"a": ["a"], "b": ["b"], "c": ["c"]})
    took, _ = course(rule, scores({"a": 1.0, "b": 1.0, "c": 2.0}, seed=11))
    assert rule.order is None
    assert took.verdict == "not settled: a and b; settled: a > c, b > c"
    assert took.reasons["a"] == took.reasons["b"] == "prompt set used up"
    assert took.prompts["c"] == 128


def test_statements_about_the_order_hold_simultaneously() -> None:
    """Pairs of contenders share the error probability, and so do pairs that contain a truly best cell."""
    base = np.resize([-1.0, 1.0], 512)
    error = standard_error_of_mean(base)

    def settles(contenders: Mapping[str, Sequence[str]], share: float) -> bool:
        rule = ranking(contenders, "higher")
        edge = always_valid_factor(512, 0.05 / share) * error
        ours, theirs = (
            contenders["a"],
            [c for name, cells in contenders.items() if name != "a" for c in cells],
        )
        for gap, expected in ((1.001 * edge, True), (0.999 * edge, False)):
            rule = ranking(contenders, "higher")
            values = {**dict.fromkeys(ours, gap + base), **dict.fromkeys(theirs, 0 * base)}
            rule.look(512, {cell: estimate(value) for cell, value in values.items()})
            if (("a", "b") in rule.settled) != expected:
                return False
        return True

    assert settles({"a": ["a"], "b": ["b"]}, 1)
    assert settles({"a": ["a"], "b": ["b"], "c": ["c"]}, 3)
    assert settles({"a": ["a", "a2"], "b": ["b", "b2"]}, 3)
    assert settles({name: [name, name * 2] for name in "abcd"}, 6 * 3)


def test_contradictory_comparisons_are_no_ranking() -> None:
    rule = ranking({"a": ["a"], "b": ["b"], "c": ["c"]})
    rule.settled.update({("a", "b"): 128, ("b", "c"): 128, ("c", "a"): 128})
    assert rule.order is None
    assert rule.verdict().startswith("not settled: the comparisons contradict each other")


def test_values_without_errors_settle_nothing_and_have_fewer_looks() -> None:
    looks: list[int] = []
    plain = Estimate(1.0, None, 2, None, note="no standard error")

    def measure(cell: str, n: int) -> Estimate:
        looks.append(n)
        return plain

    took = follow(ranking({"a": ["a"], "b": ["b"]}), ["a", "b"], ENDS, lambda *block: None, measure, print)
    assert took.looks == (128, 256, 512, 1024)
    assert took.verdict == "not settled: a and b"


def test_blocks_grow_and_end_with_units() -> None:
    assert next_look(128, ENDS, errors_known=True) == 160
    assert next_look(512, ENDS, errors_known=True) == 576
    assert next_look(512, ENDS, errors_known=False) == 1024
    assert next_look(1000, ENDS, errors_known=True) == 1024
    assert next_look(8, [4, 8, 12, 16], errors_known=True) == 12


def test_a_prompt_set_that_is_too_small_for_a_look_is_used_up() -> None:
    took, blocks = course(ranking({"a": ["a"], "b": ["b"]}), scores({"a": 1.0, "b": 9.0}), ends=[32, 64])
    assert blocks == [(("a", "b"), 0, 64)]
    assert took.verdict == "not settled: a and b"


def best_scales(better: str = "higher", **curves: Sequence[str]) -> BestScales[str]:
    """Return the rule for curves of cells at scales 1, 2, 3, ..."""
    return BestScales({name: dict(enumerate(cells, 1)) for name, cells in curves.items()}, better, 0.95)


def test_prompts_go_to_the_cells_around_the_best_scale() -> None:
    rule = best_scales(one="abcdef", two="xyzw", few="pqr")
    means = {
        "a": 0.0,
        "b": 1.0,
        "c": 1.9,
        "d": 2.0,
        "e": 1.9,
        "f": 1.0,
        "x": 0.0,
        "y": 2.0,
        "z": 1.0,
        "w": 0.0,
    }
    took, blocks = course(rule, scores({**means, "p": 0.0, "q": 0.0, "r": 0.0}))
    assert blocks[0] == (tuple("abcdefxyzwpqr"), 0, 128)
    assert blocks[1][0] == tuple("bcdef")  # those that may be the best, and one on either side
    assert took.verdict.startswith("best scale settled: two 2, one 4")
    assert "not settled" not in took.verdict
    assert rule.claims()[0] == "two is best at 2, at 128 prompts"
    assert took.reasons["a"] == took.reasons["d"] == "the best scale of its curve is settled"
    assert took.reasons["p"] == "its curve has fewer than 4 scales"
    assert took.prompts["c"] == took.prompts["f"] > took.prompts["a"] == 128


def test_a_best_scale_between_two_others_is_settled_as_both_and_equals_stay_open() -> None:
    took, _ = course(best_scales("lower", one="abcd"), scores({"a": 1.0, "b": 0.0, "c": 0.0, "d": 1.0}))
    assert took.verdict == "best scale settled: one 2 or 3"
    took, blocks = course(best_scales(one="abcd"), scores(dict.fromkeys("abcd", 0.0)))
    assert took.verdict == "not settled: one 1, 2, 3 or 4"
    assert set(took.prompts.values()) == {ENDS[-1]}
    took, blocks = course(best_scales(one="abcd"), scores({"a": 5.0, "b": 4.95, "c": 4.9, "d": 0.0}))
    assert blocks[1][0] == tuple("abcd")  # d is the neighbour of c


def test_the_truly_best_of_equal_scales_is_seldom_ruled_out() -> None:
    lost = 0
    for seed in range(40):
        rule = best_scales(one="abcd")
        course(rule, scores({"a": 1e-9, "b": 0.0, "c": 0.0, "d": 0.0}, seed=seed))
        lost += "1" not in rule.verdict().split("one ")[1]
    assert lost <= 4  # 5% of 40, and two standard errors
