"""The verdict on a case: what became of its trajectory, and what that matters."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from sdbench.regression.cases import Case
from sdbench.regression.equivalence import Equivalence, equivalence
from sdbench.regression.record import Record, digests
from sdbench.regression.sketches import root_mean_square, sketch, thumbnails
from sdbench.regression.testbeds import Testbed
from sdbench.regression.trace import Trace

__all__ = ["CaseResult", "Verdict", "judge"]


class Verdict(StrEnum):
    """From harmless to not. UNDECIDED: the trajectory moved, and the prompts cannot say if it matters."""

    IDENTICAL = "identical"
    ROUNDING = "rounding"
    DRIFT = "drift"
    CHANGED = "changed"
    UNDECIDED = "undecided"


@dataclass(frozen=True, eq=False)
class CaseResult:
    """A verdict with its reasons.

    first_step: where the run leaves the baseline, from 1 on, or "images"; beyond rounding where the verdict
    is worse than that; "" where nothing differs. errors, budget [2, K]: root mean squares of x and pred_x0,
    over the steps that both have.
    """

    case: Case
    verdict: Verdict
    first_step: str
    reason: str
    errors: NDArray[np.float64]
    budget: NDArray[np.float64]
    comparisons: tuple[Equivalence, ...]
    baseline_images: NDArray[np.uint8]
    images: NDArray[np.uint8]


def judge(record: Record, trace: Trace, testbed: Testbed) -> CaseResult:
    """Compare a run with what the baseline holds of the case."""
    differing = _first_differing(record, trace)
    errors = _errors(record, trace)
    budget = np.stack([record.budget.x, record.budget.pred_x0])[:, : errors.shape[1]]
    comparisons: tuple[Equivalence, ...] = ()
    if not differing:
        verdict, first, reason = Verdict.IDENTICAL, "", "the same bits"
    elif not (first := _first_beyond(record, trace, ~(errors <= budget))):
        share = float((errors / budget).max())
        verdict, first = Verdict.ROUNDING, differing
        reason = f"{share:.0%} of the error budget at most"
    elif not trace.finite:
        verdict, reason = Verdict.CHANGED, "images that are not finite"
    else:
        comparisons = _compare(record, trace, testbed)
        verdict, reason = _weigh(comparisons)
        reason = f"{_lengths(record, trace)}{reason}"
    kept = len(record.images)
    return CaseResult(
        record.case,
        verdict,
        first,
        reason,
        errors,
        budget,
        comparisons,
        record.images,
        trace.images[:kept],
    )


def _first_differing(record: Record, trace: Trace) -> str:
    now = digests(trace)
    both = list(zip(record.digests["x"], record.digests["pred_x0"], strict=True))
    steps = list(zip(now["x"], now["pred_x0"], strict=True))
    for number, (before, after) in enumerate(zip(both, steps, strict=False), start=1):
        if before != after:
            return str(number)
    if len(both) != len(steps):
        return str(min(len(both), len(steps)) + 1)
    return "images" if now["images"] != record.digests["images"] else ""


def _errors(record: Record, trace: Trace) -> NDArray[np.float64]:
    pairs = ((record.x, trace.x), (record.pred_x0, trace.pred_x0))
    common = min(len(record.x), len(trace.x))
    return np.stack([root_mean_square(sketch(now)[:common] - before[:common]) for before, now in pairs])


def _first_beyond(record: Record, trace: Trace, beyond: NDArray[np.bool_]) -> str:
    steps = np.flatnonzero(beyond.any(axis=0))
    if steps.size:
        return str(steps[0] + 1)
    if len(record.x) != len(trace.x):
        return str(beyond.shape[1] + 1)
    whole = np.abs(trace.images[: len(record.images)].astype(int) - record.images).max()
    small = np.abs(thumbnails(trace.images) - record.thumbnails).max()
    return "images" if max(whole, small) > record.budget.levels else ""


def _compare(record: Record, trace: Trace, testbed: Testbed) -> tuple[Equivalence, ...]:
    now = testbed.features(trace.images)
    return (
        equivalence("score", testbed.scores(record.features), testbed.scores(now)),
        equivalence("distance", testbed.distances(record.features), testbed.distances(now)),
    )


def _weigh(comparisons: tuple[Equivalence, ...]) -> tuple[Verdict, str]:
    """Drift needs both figures equivalent, so it errs no more often than either; one is enough for change."""
    failing = [comparison for comparison in comparisons if not comparison.equivalent]
    if not failing:
        return Verdict.DRIFT, "; ".join(map(str, comparisons))
    apart = [comparison for comparison in failing if comparison.apart]
    if apart:
        return Verdict.CHANGED, "; ".join(map(str, apart))
    return Verdict.UNDECIDED, "; ".join(map(str, failing))


def _lengths(record: Record, trace: Trace) -> str:
    before, now = len(record.x), len(trace.x)
    return f"{now} steps for {before}; " if before != now else ""
