"""Which of several values is the best, and what a curve of cells is worth as a whole.

Comparing everything with everything spends its certainty on questions that nobody asks. Here two are asked:
is this the best, and does one curve differ from another on average?
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from metrics.compare import Comparison, compare
from metrics.errors import MetricsError
from metrics.uncertainty import Estimate, contributions, jackknife_error

__all__ = ["Needed", "chances_of_best", "combined", "images_to_settle", "normal_score", "pooled"]

_DRAWS = 10_000
_LEVEL, _POWER, _SURE = 0.05, 0.8, 0.9


@dataclass(frozen=True)
class Needed:
    """How many images a cell would settle a comparison four times out of five.

    ``measured`` holds if the true difference is the measured one. That is uncertain itself: with 80%
    confidence the number lies between ``low`` and ``high``, which is infinite if the difference may be 0.
    """

    low: float
    measured: float
    high: float


def pooled(estimates: Sequence[Estimate]) -> Estimate:
    """Return the mean of a curve's values as one estimate: the curve as a whole.

    Raises MetricsError for no estimates or different n.
    """
    if not estimates or len({estimate.n for estimate in estimates}) > 1:
        raise MetricsError("a curve is pooled from values over the same number of images")
    return combined(estimates, np.full(len(estimates), 1 / len(estimates)))


def combined(estimates: Sequence[Estimate], weights: NDArray[np.float64]) -> Estimate:
    """Return the sum of values times ``weights`` [k] as one estimate, such as a point of a curve.

    The estimates must be over the same images' prompts in the same order; the clusters are those of the
    first. Their contributions per image and per pair are linear in the values, so those of the sum are their
    sums, and the correlation between the cells, which share their noise, is in its error.
    """
    value = float(weights @ [estimate.value for estimate in estimates])
    parts = [estimate.per_image for estimate in estimates if estimate.per_image is not None]
    if len(parts) < len(estimates):
        note = next(estimate.note for estimate in estimates if estimate.per_image is None)
        return Estimate(value, None, estimates[0].n, None, note)
    per_image = weights @ parts
    pairs = [np.zeros_like(per_image) if e.per_pair is None else e.per_pair for e in estimates]
    per_pair = weights @ pairs if any(e.per_pair is not None for e in estimates) else None
    error = jackknife_error(per_image, per_pair, estimates[0].clusters)
    return replace(estimates[0], value=value, standard_error=error, per_image=per_image, per_pair=per_pair)


def chances_of_best(
    estimates: Mapping[str, Estimate], better: Literal["lower", "higher"], seed: int = 0
) -> dict[str, float]:
    """Return for each value the p-value of "none of the others is better"; small: it is not the best.

    Multiple comparisons with the best (Hsu, "Constrained simultaneous confidence intervals for multiple
    comparisons with the best", 1984), with the joint distribution of paired differences in place of
    independent normals. The evidence against value i is its largest one-sided paired t statistic, as a normal
    score; the p-value is how often the largest of jointly normal scores with the correlations of the data
    exceeds it. These are drawn with random signs and sizes of the contributions per image (multiplier
    bootstrap; Chernozhukov, Chetverikov and Kato 2013). If all values with p < 0.05 are called not the best,
    a wrong call is at most 5% likely, however many there are: it needs an error about the true best alone.

    Args:
        estimates: The values, over the same prompts in the same order. Values without an error are left out.
        better: The direction of improvement.
        seed: Of the draws.

    Raises:
        MetricsError: The numbers of images differ.
    """
    known = {name: each for name, each in estimates.items() if each.per_image is not None}
    if len({each.n for each in known.values()}) > 1:
        raise MetricsError("the best is found among values over the same number of images")
    if len(known) < 2:
        return dict.fromkeys(known, 1.0)
    parts = np.stack([contributions(np.asarray(each.per_image), each.clusters) for each in known.values()])
    draws = parts @ np.random.default_rng(seed).standard_normal((parts.shape[1], _DRAWS))
    sign = 1 if better == "higher" else -1
    names, found = list(known), {}
    for place, name in enumerate(names):
        scores = [
            _score(sign, compare(known[other], known[name])) if other != name else -math.inf
            for other in names
        ]
        found[name] = _exceeded(max(scores), parts, draws, place)
    return found


def images_to_settle(comparison: Comparison, n: int, tests: int) -> Needed | None:
    """Return how many images a cell would settle a comparison over n of them; None without an error.

    With reach r, the sum of the normal quantiles of the test and of its power, a difference of t standard
    errors at n images takes n (r / t)^2. The measured t estimates the true one with the error
    sqrt(1 + t^2 / 2f), f being the degrees of freedom (normal approximation of the noncentral t; Johnson and
    Welch, "Applications of the non-central t-distribution", 1940).

    Args:
        comparison: What is to be settled.
        n: The images that it was measured with.
        tests: The number of tests that are corrected together (Bonferroni).
    """
    from scipy.special import ndtri

    error = comparison.standard_error
    if error is None:
        return None
    if error == 0:
        number = 0.0 if comparison.difference else math.inf
        return Needed(number, number, number)
    t = abs(comparison.difference) / error
    spread = float(ndtri(_SURE)) * math.sqrt(1 + t**2 / (2 * comparison.degrees))
    reach = float(ndtri(1 - _LEVEL / (2 * max(tests, 1))) + ndtri(_POWER))
    return Needed(*(n * (reach / gap) ** 2 if gap > 0 else math.inf for gap in (t + spread, t, t - spread)))


def _score(sign: int, test: Comparison) -> float:
    """Return the one-sided evidence that a is better than b."""
    return float(normal_score(sign * test.difference, test.standard_error or 0.0, test.degrees))


def normal_score(gap: ArrayLike, error: ArrayLike, degrees: ArrayLike) -> NDArray[np.float64]:
    """Return gaps over their errors, which are t distributed, on the scale of a normal score.

    Arguments broadcast. For an error of 0 the score is 0 without a gap, else infinite.
    """
    from scipy.special import ndtri, stdtr

    gap, error, degrees = np.broadcast_arrays(*(np.asarray(each, float) for each in (gap, error, degrees)))
    with np.errstate(divide="ignore", invalid="ignore"):
        t = np.where(gap == 0, 0.0, gap / error)
    known = np.isfinite(degrees) & np.isfinite(t)
    tails = stdtr(np.where(known, degrees, 1.0), -np.abs(np.where(known, t, 0.0)))
    return np.where(known, np.copysign(-ndtri(tails), t), t)


def _exceeded(score: float, parts: NDArray[np.float64], draws: NDArray[np.float64], place: int) -> float:
    """Return how often the largest drawn score against one value reaches ``score``."""
    spread = np.linalg.norm(parts - parts[place], axis=1)
    others = spread > 0
    if not others.any():
        return 1.0 if score <= 0 else 1 / (_DRAWS + 1)
    largest = ((draws[others] - draws[place]) / spread[others, None]).max(axis=0)
    return float((np.count_nonzero(largest >= score) + 1) / (_DRAWS + 1))
