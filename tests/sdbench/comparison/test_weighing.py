"""Verdicts from numbers: right at known shifts, rare false alarms, and the same on any 80% of the pairs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from sdbench.comparison.mixture import heaps
from sdbench.comparison.verdicts import Verdict
from sdbench.comparison.weighing import Evidence, paired_tests, weigh

MARGIN = 0.2
REPEATS = 10
"""Subsets of each case; 100 of each took a minute, and agreed at least 95 times."""


def evidence(n, *, shift=0.0, noise=0.3, level=8.0, strays=0.0, repeats=(), content=True, seed=0):
    """n pairs whose one measure shifts; distances about `level`, those of strays 40 times larger."""
    random = np.random.default_rng(seed)

    def distances(level, share):
        return level * np.exp(0.3 * random.normal(size=n)) * np.where(random.random(n) < share, 40, 1)

    found = distances(level, strays)
    measure = np.where(found > 10 * level, random.normal(shift, 1, n), random.normal(shift, noise, n))
    return Evidence(
        measure[None] if level else np.zeros((1, n)),
        np.array([MARGIN]),
        found == 0,
        found,
        np.ceil(3 * found).astype(int),
        np.array([distances(*one) for one in repeats]).reshape(len(repeats), n),
        np.ones(n, bool),
        content,
    )


CASES = {
    "identical": (evidence(40, level=0.0), Verdict.IDENTICAL),
    "one level": (evidence(40, noise=0.01, level=0.1), Verdict.ROUNDING),
    "as far as a repeat": (evidence(60, noise=0.05, repeats=[(8.0, 0)]), Verdict.ROUNDING),
    "farther than a repeat": (evidence(100, noise=0.3, repeats=[(1.0, 0)]), Verdict.EQUIVALENT),
    "moved": (evidence(100), Verdict.EQUIVALENT),
    "moved, too few": (evidence(6), Verdict.UNDECIDED),
    "worse": (evidence(100, shift=-0.5), Verdict.CHANGED),
    "worse within the noise": (evidence(300, shift=-0.5, repeats=[(8.0, 0)]), Verdict.CHANGED),
    "bistable": (evidence(100, noise=0.02, level=0.1, strays=0.12), Verdict.EQUIVALENT),
    "bistable, as repeats": (
        evidence(100, noise=0.02, level=0.3, strays=0.1, repeats=[(0.3, 0.1), (0.3, 0.1)]),
        Verdict.ROUNDING,
    ),
    "one pair fell": (evidence(100, noise=0.02, level=0.1, strays=0.01, seed=1), Verdict.ROUNDING),
    "bistable and worse": (evidence(200, shift=-0.5, level=0.1, strays=0.12), Verdict.CHANGED),
}


@pytest.mark.parametrize("case", CASES)
def test_verdicts(case):
    given, verdict = CASES[case]
    assert weigh(given).verdict is verdict


@pytest.mark.parametrize("case", [case for case in CASES if case != "moved, too few"])
def test_any_80_percent_give_the_same_verdict(case):
    given, verdict = CASES[case]
    random, n = np.random.default_rng(5), given.same.size
    parts = [given.only(random.choice(n, round(0.8 * n), replace=False)) for _ in range(REPEATS)]
    assert sum(weigh(part).verdict is verdict for part in parts) >= 0.95 * REPEATS


def few_moved(n, count, level):
    """n pairs with the same pixels, but for `count` of them."""
    moved, given = np.arange(n) < count, evidence(n, noise=0.2)
    return replace(
        given,
        differences=given.differences * moved,
        same=~moved,
        distances=level * moved.astype(float),
        largest=np.ceil(3 * level * moved).astype(int),
    )


@pytest.mark.parametrize(
    ("given", "verdict"),
    [
        (few_moved(16, 1, 0.1), Verdict.ROUNDING),
        (few_moved(100, 1, 30.0), Verdict.ROUNDING),
        (few_moved(60, 4, 30.0), Verdict.EQUIVALENT),
    ],
)
def test_subsets_without_the_few_pairs_that_moved_raise_no_alarm(given, verdict):
    """Batches of 7 moved 1 of 16 images by one level: a fifth of the subsets are identical."""
    found = weigh(given)
    assert (found.verdict, found.agreeing >= 95) == (verdict, True)


def means(given):
    return paired_tests(given.differences, given.margins)


def _alarms(given):
    found = means(given)
    return abs(found.means[0]) > max(found.alarms[0], MARGIN)


def _equivalent(given):
    found = means(given)
    return abs(found.means[0]) + found.halves[0] < MARGIN


def test_a_shift_at_the_margin_is_undecided_and_no_number_of_prompts_decides():
    given = evidence(400, noise=0.1)
    found = weigh(replace(given, differences=given.differences - given.differences.mean() + MARGIN))
    assert found.verdict is Verdict.UNDECIDED
    assert np.isinf(found.tests.wanted[0])


def test_as_many_prompts_as_wanted_decide():
    given = evidence(12, noise=0.5)
    few = weigh(replace(given, differences=given.differences - given.differences.mean()))
    assert few.verdict is Verdict.UNDECIDED
    wanted = int(np.ceil(few.tests.wanted[0]))
    assert 12 < wanted < 100
    decided = [_equivalent(evidence(wanted, noise=0.5, seed=seed)) for seed in range(100)]
    assert 70 <= sum(decided) <= 95


def test_unchanged_measures_raise_no_alarm():
    """200 comparisons of independent images, in which only chance differs, at a size where it is large."""
    alarms = [_alarms(evidence(24, noise=1.4, seed=seed)) for seed in range(200)]
    assert not any(alarms)


def test_a_single_wild_pair_is_no_change():
    given = evidence(100, noise=0.01)
    measure = given.differences.copy()
    measure[0, 3] = 50
    assert weigh(replace(given, differences=measure)).verdict is not Verdict.CHANGED


def test_without_content_compositions_must_be_kept():
    given = evidence(100, content=False)
    assert weigh(given).verdict is Verdict.EQUIVALENT
    lost = replace(given, kept=np.arange(100) < 88)
    assert weigh(lost).verdict is Verdict.UNDECIDED
    assert weigh(replace(lost, judges_content=True)).verdict is Verdict.EQUIVALENT


def test_heaps():
    random = np.random.default_rng(0)
    one, far = np.exp(0.5 * random.normal(size=200)), 50 * np.exp(0.5 * random.normal(size=7))
    assert heaps(one) is None
    assert heaps(np.linspace(0.1, 10, 100)) is None
    assert heaps(np.zeros(50)) is None
    split = heaps(np.concatenate([one, far]))
    assert split is not None
    assert one.max() < split < far.min()
