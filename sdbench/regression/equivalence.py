"""Paired equivalence tests: does a trajectory that moved still lead to images of the same quality?

Two one-sided t-tests (Schuirmann 1987) on the differences per prompt. The margin is 0.2 standard deviations
of the metric over the baseline's images: the difference between two independent sets of 50 images has a
standard error of sqrt(2 / 50) = 0.2 standard deviations, so comparing fewer images would not reveal such a
shift.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri, stdtrit

__all__ = ["MARGIN", "Equivalence", "equivalence"]

MARGIN = 0.2
"""In standard deviations of the metric over the baseline's images."""

LEVEL = 0.05
"""Level of each one-sided test: the probability of calling a shift as large as the margin harmless."""

ALARM = 1e-4
"""Probability of calling an unchanged metric changed, two-sided: 4% in 200 checks of two metrics."""

POWER = 0.8
"""Probability with which an alarm finds a shift of the size `detectable`."""


@dataclass(frozen=True)
class Equivalence:
    """A paired comparison, candidate minus baseline, in the unit of the metric.

    Attributes:
        metric: What is compared.
        n: Number of prompts.
        difference: Mean difference.
        standard_error: Standard error of the mean difference.
        margin: Largest difference that counts as harmless.
        low: Lower end of the 90% interval, which decides the two one-sided tests.
        high: Upper end of the 90% interval.
        detectable: The smallest true shift that raises an alarm with a probability of 80%.
        apart: Whether the means differ at the level `ALARM`.
    """

    metric: str
    n: int
    difference: float
    standard_error: float
    margin: float
    low: float
    high: float
    detectable: float
    apart: bool

    @property
    def equivalent(self) -> bool:
        """Whether the shift is within the margin, at the 5% level."""
        return -self.margin < self.low and self.high < self.margin

    def __str__(self) -> str:
        return (
            f"{self.metric} {self.difference:+.4f} (90% interval {self.low:+.4f} to {self.high:+.4f}, "
            f"margin ±{self.margin:.4f}, detectable {self.detectable:.4f}, n = {self.n})"
        )


def equivalence(metric: str, baseline: NDArray[np.float64], candidate: NDArray[np.float64]) -> Equivalence:
    """Compare a metric's values per prompt, [n] each in the same order, n >= 3."""
    differences = candidate - baseline
    n = len(differences)
    mean, error = float(differences.mean()), float(differences.std(ddof=1)) / math.sqrt(n)
    half, threshold = (float(stdtrit(n - 1, 1 - share)) * error for share in (LEVEL, ALARM / 2))
    return Equivalence(
        metric=metric,
        n=n,
        difference=mean,
        standard_error=error,
        margin=MARGIN * float(baseline.std(ddof=1)),
        low=mean - half,
        high=mean + half,
        detectable=threshold + float(ndtri(POWER)) * error,
        apart=abs(mean) > threshold,
    )
