"""The verdict on a case: what became of its trajectory, and what that matters."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

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
    is worse than that; "" where nothing differs. errors, budget: by the name of what is compared ("x",
    "pred_x0") the root mean square [K] over the steps that both have.
    """

    case: Case
    verdict: Verdict
    first_step: str
    reason: str
    errors: dict[str, NDArray[np.float64]]
    budget: dict[str, NDArray[np.float64]]
    comparisons: tuple[Equivalence, ...]
    baseline_images: NDArray[np.uint8]
    images: NDArray[np.uint8]


def judge(record: Record, trace: Trace, testbed: Testbed) -> CaseResult:
    """Compare a run with what the baseline holds of the case."""
    compared = ("x", "pred_x0") if trace.predicts else ("x",)
    differing = _first_differing(record, trace, compared)
    common = min(len(record.x), len(trace.x))
    errors = {name: _errors(getattr(record, name), getattr(trace, name), common) for name in compared}
    budget = {name: getattr(record.budget, name)[:common] for name in compared}
    found, allowed = (np.stack(list(figures.values())) for figures in (errors, budget))
    comparisons: tuple[Equivalence, ...] = ()
    if not differing:
        verdict, first, reason = Verdict.IDENTICAL, "", "the same bits"
    elif not (first := _first_beyond(record, trace, ~(found <= allowed))):
        verdict, first = Verdict.ROUNDING, differing
        reason = f"{(found / allowed).max():.0%} of the error budget at most"
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


def _first_differing(record: Record, trace: Trace, compared: tuple[str, ...]) -> str:
    now = digests(trace)
    both, steps = (list(zip(*(d[name] for name in compared), strict=True)) for d in (record.digests, now))
    for number, (before, after) in enumerate(zip(both, steps, strict=False), start=1):
        if before != after:
            return str(number)
    if len(both) != len(steps):
        return str(min(len(both), len(steps)) + 1)
    return "images" if now["images"] != record.digests["images"] else ""


def _errors(before: NDArray[np.float64], now: Tensor, common: int) -> NDArray[np.float64]:
    return root_mean_square(sketch(now)[:common] - before[:common])


def _first_beyond(record: Record, trace: Trace, beyond: NDArray[np.bool_]) -> str:
    steps = np.flatnonzero(beyond.any(axis=0))
    if steps.size:
        return str(steps[0] + 1)
    if len(record.x) != len(trace.x):
        return str(beyond.shape[1] + 1)
    pairs = (
        (trace.images[: len(record.images)], record.images),
        (thumbnails(trace.images), record.thumbnails),
    )
    traced, every = (
        np.abs(now.astype(float) - before).max(axis=(1, 2, 3)) > record.budget.levels for now, before in pairs
    )
    return "images" if traced.any() or every.sum() > record.budget.strays else ""


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
