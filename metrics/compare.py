"""Whether two cells differ: difference, interval and p-value, also for all pairs of a sweep."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from metrics.errors import MetricsError
from metrics.uncertainty import Estimate, contributions, degrees_of_freedom, jackknife_error

__all__ = ["Comparison", "compare", "corrected", "holm", "pairwise"]


@dataclass(frozen=True)
class Comparison:
    """The difference a - b of two values.

    ``low`` and ``high`` bound the 95% interval, and ``p_value`` is two-sided for "no difference", both by
    Student's t with ``degrees`` of freedom; ``adjusted_p`` is corrected for all pairs of a sweep
    (``pairwise``). ``paired`` means that the error comes from differences image by image. If no error can be
    given, it and what follows from it are None, and ``note`` says why.
    """

    a: str
    b: str
    difference: float
    standard_error: float | None
    paired: bool
    p_value: float | None
    adjusted_p: float | None = None
    note: str = ""
    degrees: float = math.inf

    @property
    def low(self) -> float | None:
        """Lower end of the 95% interval."""
        return None if self.standard_error is None else self.difference - self._width(0.975)

    @property
    def high(self) -> float | None:
        """Upper end of the 95% interval."""
        return None if self.standard_error is None else self.difference + self._width(0.975)

    def minimum_detectable_effect(self, power: float = 0.8) -> float | None:
        """Return the true difference that a 5% two-sided test at this n detects with this power."""
        if self.standard_error is None:
            return None
        return self._width(0.975) + self._width(power)

    def equivalence_p(self, margin: float) -> float | None:
        """Return the p-value of "they differ by ``margin`` or more"; small means equivalent.

        Two one-sided tests (Schuirmann, "A comparison of the two one-sided tests procedure and the power
        approach", 1987). Raises MetricsError unless the margin is above zero.
        """
        if not margin > 0:
            raise MetricsError(f"the margin of an equivalence test must be above 0, got {margin}")
        if self.standard_error is None:
            return None
        return _cdf(abs(self.difference) - margin, self.standard_error, self.degrees)

    def _width(self, level: float) -> float:
        """Return a quantile of the estimated difference about the true one."""
        from scipy.special import ndtri, stdtrit

        quantile = ndtri(level) if math.isinf(self.degrees) else stdtrit(self.degrees, level)
        return float(quantile) * (self.standard_error or 0.0)


def compare(a: Estimate, b: Estimate, names: tuple[str, str] = ("a", "b")) -> Comparison:
    """Return a - b with its error, paired if both estimates have values per image and the same n.

    The caller guarantees the order: image i of both must come from the same prompt and starting noise.
    Unpaired errors add in squares, which is right for independent sets and too wide for others; ``note`` says
    so.
    """
    difference = a.value - b.value
    if a.standard_error is None or b.standard_error is None:
        note = "; ".join(dict.fromkeys(e.note for e in (a, b) if e.standard_error is None and e.note))
        return Comparison(*names, difference, None, paired=False, p_value=None, note=note)
    paired, note, degrees = a.n == b.n and a.per_image is not None and b.per_image is not None, "", math.inf
    if paired:
        error, degrees = _paired_error(a, b)
    else:
        cause = f"{a.n} and {b.n} images" if a.n != b.n else "no values per image"
        error = math.hypot(a.standard_error, b.standard_error)
        note = f"unpaired, too wide if the sets share prompts: {cause}"
    p_value = 2 * _cdf(-abs(difference), error, degrees)
    return Comparison(*names, difference, error, paired, p_value, note=note, degrees=degrees)


def pairwise(estimates: Mapping[str, Estimate]) -> tuple[Comparison, ...]:
    """Compare all pairs of the named estimates, in the mapping's order, with Holm-corrected p-values."""
    return corrected(
        compare(a, b, (name_a, name_b)) for (name_a, a), (name_b, b) in combinations(estimates.items(), 2)
    )


def corrected(pairs: Iterable[Comparison]) -> tuple[Comparison, ...]:
    """Return the comparisons of a sweep with p-values corrected for their number by Holm's procedure."""
    pairs = list(pairs)
    adjusted = iter(holm([pair.p_value for pair in pairs if pair.p_value is not None]))
    return tuple(
        pair if pair.p_value is None else replace(pair, adjusted_p=float(next(adjusted))) for pair in pairs
    )


def holm(p_values: Sequence[float]) -> NDArray[np.float64]:
    """Return p-values [m] corrected for m tests, in the same order.

    Holm, "A simple sequentially rejective multiple test procedure" (1979): rejecting all those below 0.05
    makes any false rejection at most 5% likely, however the tests depend on each other.
    """
    p = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(p)
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(np.maximum.accumulate(p[order] * np.arange(p.size, 0, -1)), 1)
    return adjusted


def _paired_error(a: Estimate, b: Estimate) -> tuple[float, float]:
    """Return the standard error of the difference over the same images, and its degrees of freedom.

    Prompts count once if images share them.
    """
    differences = np.asarray(a.per_image) - np.asarray(b.per_image)
    pairs = None if a.per_pair is None or b.per_pair is None else a.per_pair - b.per_pair
    error = jackknife_error(differences, pairs, a.clusters)
    return error, degrees_of_freedom(contributions(differences, a.clusters))


def _cdf(value: float, error: float, degrees: float) -> float:
    """Return the t distribution function at value / error; for error 0, a step at 0."""
    from scipy.special import ndtr, stdtr

    if error == 0:
        return 0.5 if value == 0 else float(value > 0)
    return float(ndtr(value / error) if math.isinf(degrees) else stdtr(degrees, value / error))
