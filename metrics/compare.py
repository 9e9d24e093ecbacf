"""Do two cells differ: difference, interval, p-value, and all pairs of a sweep at once."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from metrics.errors import MetricsError
from metrics.uncertainty import Estimate, jackknife_error, standard_error_of_mean

__all__ = ["Comparison", "compare", "holm", "pairwise"]

_NORMAL = NormalDist()
_CRITICAL = _NORMAL.inv_cdf(0.975)


@dataclass(frozen=True)
class Comparison:
    """The difference a - b of two figures.

    ``low`` and ``high`` bound the 95% interval, ``p_value`` is two-sided for "no difference", all by the
    normal approximation; they and ``standard_error`` are None where no error can be given, and ``note`` says
    why. ``adjusted_p`` holds the p-value corrected for all pairs of a sweep (pairwise), else None.
    """

    a: str
    b: str
    difference: float
    standard_error: float | None
    paired: bool
    p_value: float | None
    adjusted_p: float | None = None
    note: str = ""

    @property
    def low(self) -> float | None:
        """Lower end of the 95% interval."""
        return None if self.standard_error is None else self.difference - _CRITICAL * self.standard_error

    @property
    def high(self) -> float | None:
        """Upper end of the 95% interval."""
        return None if self.standard_error is None else self.difference + _CRITICAL * self.standard_error

    def minimum_detectable_effect(self, power: float = 0.8) -> float | None:
        """Return the true difference that a two-sided 5% test at this n finds with probability ``power``."""
        if self.standard_error is None:
            return None
        return (_CRITICAL + _NORMAL.inv_cdf(power)) * self.standard_error

    def equivalence_p(self, margin: float) -> float | None:
        """Return the p-value for "they differ by ``margin`` or more": small means equivalent.

        Two one-sided tests (Schuirmann, "A comparison of the two one-sided tests procedure and the power
        approach", 1987). Raises MetricsError for a margin that is not above zero.
        """
        if not margin > 0:
            raise MetricsError(f"the margin of an equivalence test must be above 0, got {margin}")
        if self.standard_error is None:
            return None
        return 1 - _cdf(margin - abs(self.difference), self.standard_error)


def compare(a: Estimate, b: Estimate, names: tuple[str, str] = ("a", "b")) -> Comparison:
    """Return a - b with its error; paired where both know their images' parts and have equally many.

    The caller answers for the order: image i of both must belong to one prompt and one start noise. Unpaired
    errors are added in squares, which is right for independent sets and too wide for others; ``note`` says
    so.
    """
    difference = a.value - b.value
    if a.standard_error is None or b.standard_error is None:
        note = "; ".join(dict.fromkeys(e.note for e in (a, b) if e.standard_error is None and e.note))
        return Comparison(*names, difference, None, paired=False, p_value=None, note=note)
    paired, note = a.n == b.n and a.per_image is not None and b.per_image is not None, ""
    if paired:
        error = _paired_error(a, b)
    else:
        cause = f"{a.n} and {b.n} images" if a.n != b.n else "no figures per image"
        error = math.hypot(a.standard_error, b.standard_error)
        note = f"unpaired, too wide if the sets share prompts: {cause}"
    p_value = 2 * _cdf(-abs(difference), error)
    return Comparison(*names, difference, error, paired, p_value, note=note)


def pairwise(estimates: Mapping[str, Estimate]) -> tuple[Comparison, ...]:
    """Compare every two of the named figures, in the mapping's order, with Holm-corrected p-values."""
    pairs = [
        compare(a, b, (name_a, name_b)) for (name_a, a), (name_b, b) in combinations(estimates.items(), 2)
    ]
    tested = [pair for pair in pairs if pair.p_value is not None]
    adjusted = iter(holm([pair.p_value for pair in tested if pair.p_value is not None]))
    return tuple(
        pair if pair.p_value is None else replace(pair, adjusted_p=float(next(adjusted))) for pair in pairs
    )


def holm(p_values: Sequence[float]) -> NDArray[np.float64]:
    """Return p-values [m] corrected for m tests, in their order.

    Holm, "A simple sequentially rejective multiple test procedure" (1979): those below 0.05 hold together
    with 95% confidence, whatever their dependence.
    """
    p = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(p)
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(np.maximum.accumulate(p[order] * np.arange(p.size, 0, -1)), 1)
    return adjusted


def _paired_error(a: Estimate, b: Estimate) -> float:
    """Return the standard error of the difference of two figures over the same images."""
    differences = np.asarray(a.per_image) - np.asarray(b.per_image)
    if a.per_pair is None or b.per_pair is None:
        return standard_error_of_mean(differences)
    return jackknife_error(differences, a.per_pair - b.per_pair)


def _cdf(value: float, error: float) -> float:
    """Return the normal distribution function at value / error; without an error, that of certainty."""
    if error == 0:
        return 0.5 if value == 0 else float(value > 0)
    return _NORMAL.cdf(value / error)
