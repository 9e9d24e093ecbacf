"""The verdict on a case: whether its trajectory moved, and whether that matters."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from sdbench.regression.cases import Case
from sdbench.regression.equivalence import Equivalence, equivalence
from sdbench.regression.record import CaseRecord, digests
from sdbench.regression.sketches import root_mean_square, sketch, thumbnails
from sdbench.regression.testbeds import Testbed
from sdbench.regression.trace import Trace

__all__ = ["CaseResult", "Verdict", "judge"]


class Verdict(StrEnum):
    """Verdicts from best to worst. UNDECIDED: it moved, with too few prompts to tell whether it matters."""

    IDENTICAL = "identical"
    ROUNDING = "rounding"
    DRIFT = "drift"
    CHANGED = "changed"
    UNDECIDED = "undecided"


@dataclass(frozen=True, eq=False)
class CaseResult:
    """A verdict with its reasons.

    Attributes:
        case: The case.
        verdict: The verdict.
        first_step: The first step that differs, from "1", or "images"; for verdicts worse than ROUNDING the
            first one beyond the budget; "" if nothing differs.
        reason: Why, in one line.
        errors: Root mean square difference [K] of "x" and "pred_x0", over the steps that both runs have.
        budget: Error budgets [K] by the same names.
        comparisons: Equivalence tests of the metrics, if the trajectory moved.
        baseline_images: Images of the traced prompts in the baseline.
        images: Images of the traced prompts now.
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


def judge(record: CaseRecord, trace: Trace, testbed: Testbed) -> CaseResult:
    """Compare a run with the baseline's record of the case."""
    compared = ("x", "pred_x0") if trace.predicts else ("x",)
    differing = _first_differing(record, trace, compared)
    common = min(len(record.x), len(trace.x))
    errors = {name: _errors(getattr(record, name), getattr(trace, name), common) for name in compared}
    budget = {name: getattr(record.budget, name)[:common] for name in compared}
    found, allowed = (np.stack(list(values.values())) for values in (errors, budget))
    comparisons: tuple[Equivalence, ...] = ()
    if not differing:
        verdict, first, reason = Verdict.IDENTICAL, "", "bit-identical"
    elif not (first := _first_beyond(record, trace, ~(found <= allowed))):
        verdict, first = Verdict.ROUNDING, differing
        reason = f"at most {(found / allowed).max():.0%} of the error budget"
    elif not trace.finite:
        verdict, reason = Verdict.CHANGED, "some images are not finite"
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


def _first_differing(record: CaseRecord, trace: Trace, compared: tuple[str, ...]) -> str:
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


def _first_beyond(record: CaseRecord, trace: Trace, beyond: NDArray[np.bool_]) -> str:
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


def _compare(record: CaseRecord, trace: Trace, testbed: Testbed) -> tuple[Equivalence, ...]:
    now = testbed.features(trace.images)
    return (
        equivalence("score", testbed.scores(record.features), testbed.scores(now)),
        equivalence("distance", testbed.distances(record.features), testbed.distances(now)),
    )


def _weigh(comparisons: tuple[Equivalence, ...]) -> tuple[Verdict, str]:
    """Turn the comparisons into a verdict and its reason.

    DRIFT needs both metrics to be equivalent, so it is wrong no more often than one test. One alarm suffices
    for CHANGED.
    """
    failing = [comparison for comparison in comparisons if not comparison.equivalent]
    if not failing:
        return Verdict.DRIFT, "; ".join(map(str, comparisons))
    apart = [comparison for comparison in failing if comparison.apart]
    if apart:
        return Verdict.CHANGED, "; ".join(map(str, apart))
    return Verdict.UNDECIDED, "; ".join(map(str, failing))


def _lengths(record: CaseRecord, trace: Trace) -> str:
    before, now = len(record.x), len(trace.x)
    return f"{now} steps instead of {before}; " if before != now else ""
