"""From numbers per pair to a verdict, and whether the verdict would survive other prompts.

A comparison is

    identical   if every pair has the same pixels,
    changed     if a measure differs from zero at the 0.01% level and by more than its margin,
    rounding    if the images are no farther apart than repeats of the baseline are,
    equivalent  if every measure's 90% interval lies within its margin (Schuirmann 1987), and
    undecided   otherwise.

A verdict that fewer than 95 of 100 random subsets of 80% of the pairs confirm is not given.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from sdbench.comparison.mixture import FLOOR, heaps
from sdbench.comparison.verdicts import Verdict

__all__ = ["ALARM", "LEVEL", "Evidence", "Test", "Weighed", "paired_tests", "weigh"]

LEVEL = 0.05
"""Level of each one-sided test: the probability of calling a shift as large as the margin harmless."""

ALARM = 1e-4
"""Probability of an alarm about an unchanged measure, two-sided: with 10 measures, 0.1% a comparison."""

POWER = 0.8
AT_MARGIN = 0.05
"""A difference this close to its margin, relative to it, is not worth more prompts."""

FACTOR = 2.0
"""Repeats of the baseline may be this many times closer than the candidate: 6 dB of PSNR."""

MORE_STRAYS = 0.05
"""By how much the share of pairs that fell into another image may exceed that among the repeats."""

STRAYS_LEVEL = 0.01
KEPT = 0.8
"""Share of pairs that must show the same composition if no network judges the content."""

SUBSETS, SHARE, AGREEING = 100, 0.8, 95
FEWEST = 3
_SEED = 0


@dataclass(frozen=True, eq=False)
class Evidence:
    """What is known of n pairs without flags.

    Attributes:
        differences: Candidate minus baseline by measure and pair, [m, n].
        margins: Largest harmless mean difference of each measure, [m].
        same: Whether the pixels are equal, [n].
        distances: Root mean square difference of the pixels, [n].
        largest: Largest difference of a pixel's value, [n].
        repeats: Distances of r repeats of the baseline from it, [r, n].
        kept: Whether the candidate's image is closest to its own partner among all, [n].
        judges_content: Whether a measure reads content, such as a CLIP score.
        has_pixels: Whether the distances are known; a compact baseline keeps no pixels.
    """

    differences: NDArray[np.float64]
    margins: NDArray[np.float64]
    same: NDArray[np.bool_]
    distances: NDArray[np.float64]
    largest: NDArray[np.int_]
    repeats: NDArray[np.float64]
    kept: NDArray[np.bool_]
    judges_content: bool
    has_pixels: bool = True

    def only(self, chosen: NDArray[np.intp]) -> Evidence:
        """Return the evidence of some of the pairs."""
        pairs = {name: getattr(self, name)[chosen] for name in ("same", "distances", "largest", "kept")}
        return replace(
            self, differences=self.differences[:, chosen], repeats=self.repeats[:, chosen], **pairs
        )


@dataclass(frozen=True, eq=False)
class Test:
    """Paired tests of m measures, each array [m].

    Attributes:
        means: Mean difference.
        errors: Its standard error.
        halves: Half the width of the 90% interval.
        alarms: Smallest mean difference that raises an alarm.
        detectable: Smallest true difference that raises an alarm with 80% probability.
        wanted: Number of pairs at which an undecided measure should be decided; infinite at the margin.
        equivalent: Whether the 90% interval lies within the margin.
        changed: Whether the mean difference raises an alarm and is beyond the margin.
    """

    means: NDArray[np.float64]
    errors: NDArray[np.float64]
    halves: NDArray[np.float64]
    alarms: NDArray[np.float64]
    detectable: NDArray[np.float64]
    wanted: NDArray[np.float64]
    equivalent: NDArray[np.bool_]
    changed: NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Weighed:
    """A verdict.

    Attributes:
        verdict: The verdict.
        tests: The tests behind it.
        strays: Whether each pair fell into a second mode, [n].
        reach: Distance in levels beyond which it did; None without a second heap and without repeats.
        agreeing: How many of 100 subsets confirm the verdict; None if there are too few pairs for subsets.
        unstable: The verdict that too few subsets confirmed; None if the first one held.
    """

    verdict: Verdict
    tests: Test
    strays: NDArray[np.bool_]
    reach: float | None
    agreeing: int | None
    unstable: Verdict | None


def weigh(evidence: Evidence) -> Weighed:
    """Return the verdict on n >= 1 pairs."""
    reach, unstable = _reach(evidence), None
    for rounding in (True, False):
        verdict = _verdict(evidence, reach, rounding=rounding)
        agreeing = _agreeing(evidence, reach, verdict, rounding=rounding)
        if verdict is Verdict.UNDECIDED or agreeing is None or agreeing >= AGREEING:
            break
        unstable = unstable or verdict
    else:
        verdict = Verdict.UNDECIDED
        agreeing = _agreeing(evidence, reach, verdict, rounding=False)
    tests = paired_tests(evidence.differences, evidence.margins)
    strays = np.zeros(evidence.same.size, bool) if reach is None else evidence.distances > reach
    return Weighed(
        verdict,
        tests,
        strays,
        reach,
        agreeing,
        unstable,
    )


def paired_tests(differences: NDArray[np.float64], margins: NDArray[np.float64]) -> Test:
    """Test the mean differences of [m, n] against margins [m].

    Student's t with the degrees of freedom that the spread of the squared deviations allows (Satterthwaite
    1946), as in `metrics.compare`: a few pairs that carry the whole difference make the interval wider.
    """
    from scipy.special import ndtri, stdtrit

    n = differences.shape[1]
    means = differences.mean(axis=1)
    squares = (differences - means[:, None]) ** 2
    variances = squares.mean(axis=1)
    spread = np.sqrt(variances * n / max(n - 1, 1))
    varying = variances > 0
    kurtosis = np.where(varying, (squares**2).mean(axis=1), 1) / np.where(varying, variances, 1) ** 2
    degrees = np.minimum(2 * n / np.maximum(kurtosis - 1, 1e-9), max(n - 1, 1))
    errors = spread / math.sqrt(n)
    halves, alarms = (stdtrit(degrees, 1 - share) * errors for share in (LEVEL, ALARM / 2))
    power = float(ndtri(POWER))
    inside = np.abs(means) < margins
    gap = np.where(inside, margins - np.abs(means), np.abs(means))
    # Both ends of the interval can leave the margin, so either may do so with half of the remaining risk.
    quantile = np.where(inside, ndtri(1 - LEVEL) + ndtri((1 + POWER) / 2), ndtri(1 - ALARM / 2) + power)
    near = np.abs(margins - np.abs(means)) <= AT_MARGIN * margins
    wanted = np.where(near, np.inf, (quantile * spread / np.maximum(gap, 1e-300)) ** 2)
    size = np.abs(means)
    within, beyond = size + halves < margins, (size > alarms) & (size > margins)
    return Test(means, errors, halves, alarms, alarms + power * errors, wanted, within, beyond)


def _verdict(evidence: Evidence, reach: float | None, *, rounding: bool = True) -> Verdict:
    if evidence.same.all():
        return Verdict.IDENTICAL
    tests = paired_tests(evidence.differences, evidence.margins)
    enough = evidence.same.size >= FEWEST
    if enough and tests.changed.any():
        return Verdict.CHANGED
    if rounding and _is_rounding(evidence, reach):
        return Verdict.ROUNDING
    if enough and tests.equivalent.all() and _shows_the_same(evidence):
        return Verdict.EQUIVALENT
    return Verdict.UNDECIDED


def _agreeing(evidence: Evidence, reach: float | None, verdict: Verdict, *, rounding: bool) -> int | None:
    """Return how many of 100 random subsets of 80% confirm the verdict; None for too few pairs.

    If few pairs moved, subsets without them are identical, which speaks against neither rounding nor
    equivalence.
    """
    n = evidence.same.size
    size = round(SHARE * n)
    if size < FEWEST or size == n:
        return None
    if verdict is Verdict.IDENTICAL:
        return SUBSETS
    random = np.random.default_rng(_SEED)
    subsets = (evidence.only(random.choice(n, size, replace=False)) for _ in range(SUBSETS))
    passing = verdict in (Verdict.ROUNDING, Verdict.EQUIVALENT)
    confirming = {verdict, Verdict.IDENTICAL} if passing else {verdict}
    return sum(_verdict(subset, reach, rounding=rounding) in confirming for subset in subsets)


def _reach(evidence: Evidence) -> float | None:
    """Return the distance beyond which a pair is another image: between two heaps, or beyond the repeats."""
    if not evidence.has_pixels:
        return None
    split = heaps(np.concatenate([evidence.distances, evidence.repeats.ravel()]))
    if split is not None or not evidence.repeats.size:
        return split
    return FACTOR * max(float(np.quantile(evidence.repeats, 0.99)), FLOOR)


def _is_rounding(evidence: Evidence, reach: float | None) -> bool:
    """Whether all pairs but a few strays are as close as repeats of the baseline are.

    A difference of one level, which quantisation alone can cause, is rounding whatever the repeats.
    """
    n = evidence.same.size
    if not evidence.has_pixels:
        return False
    if _few(int((evidence.largest > 1).sum()), 0, n, n):
        return True
    if not evidence.repeats.size or reach is None:
        return False
    strays, before = evidence.distances > reach, evidence.repeats > reach
    if not _few(int(strays.sum()), int(before.sum()), n, before.size):
        return False
    fine = ~strays & ~before.any(axis=0)
    if fine.sum() < FEWEST:
        return False
    ratios = _log(evidence.distances[fine]) - _log(evidence.repeats[:, fine]).mean(axis=0)
    found = paired_tests(ratios[None], np.ones(1))
    return bool(found.means[0] + found.halves[0] < math.log2(FACTOR))


def _few(now: int, before: int, n: int, repeats: int) -> bool:
    """Whether `now` strays of n pairs are not more than `before` of the repeats, by Fisher's test and share.

    The share may exceed that of the repeats by 5%, and by two standard errors of that share.
    """
    share = before / repeats
    allowed = share + MORE_STRAYS + 2 * math.sqrt(share * (1 - share) * (1 / n + 1 / repeats))
    if now == 0 or now / n > allowed:
        return now == 0
    both = now + before
    total = _log_choose(n + repeats, both)
    counts = range(now, min(both, n) + 1)
    chances = (_log_choose(n, k) + _log_choose(repeats, both - k) - total for k in counts)
    return sum(map(math.exp, chances)) >= STRAYS_LEVEL


def _log_choose(n: int, k: int) -> float:
    if k > n:
        return -math.inf
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)


def _shows_the_same(evidence: Evidence) -> bool:
    """Whether the content is judged: by a measure, or because nearly all compositions are kept."""
    from scipy.special import betaincinv

    if evidence.judges_content:
        return True
    kept, n = int(evidence.kept.sum()), evidence.kept.size
    # The lower end of the exact one-sided interval of a share (Clopper and Pearson 1934).
    return kept > 0 and float(betaincinv(kept, n - kept + 1, LEVEL)) >= KEPT


def _log(distances: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(np.log2(np.maximum(distances, FLOOR)))
