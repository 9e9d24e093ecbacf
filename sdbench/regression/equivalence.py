"""Whether a moved trajectory still gives images of the same quality: paired equivalence tests.

Two one-sided t-tests (Schuirmann 1987) on the differences prompt by prompt. The margin is 0.2 standard
deviations of the figure among the images of the baseline: two independent sets of 50 images have a standard
error of sqrt(2 / 50) = 0.2 standard deviations, so no comparison of fewer images would see a shift within it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

__all__ = ["MARGIN", "Equivalence", "equivalence", "t_quantile"]

MARGIN = 0.2
"""In standard deviations of the baseline."""

LEVEL = 0.05
"""Of each one-sided test: the chance to call a shift of the margin harmless."""

ALARM = 1e-4
"""The chance to call a figure changed whose mean did not, two-sided: 4% in 200 checks of two figures."""

POWER = 0.8


@dataclass(frozen=True)
class Equivalence:
    """A paired comparison of ``figure`` over n prompts, candidate minus baseline, in the figure's own unit.

    low, high: the 90% interval that the two one-sided tests look at. detectable: the smallest true shift
    that an alarm finds with a probability of 80%. apart: whether the means differ beyond doubt.
    """

    figure: str
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
        """Whether the shift lies within the margin, at the 5% level."""
        return -self.margin < self.low and self.high < self.margin

    def __str__(self) -> str:
        return (
            f"{self.figure} {self.difference:+.4f} (90% interval {self.low:+.4f} to {self.high:+.4f}, "
            f"margin ±{self.margin:.4f}, detectable {self.detectable:.4f}, n = {self.n})"
        )


def equivalence(figure: str, baseline: NDArray[np.float64], candidate: NDArray[np.float64]) -> Equivalence:
    """Compare two figures per prompt, [n] each in the same order, n >= 3."""
    differences = candidate - baseline
    n = len(differences)
    mean, error = float(differences.mean()), float(differences.std(ddof=1)) / math.sqrt(n)
    half = t_quantile(1 - LEVEL, n - 1) * error
    threshold = t_quantile(1 - ALARM / 2, n - 1)
    return Equivalence(
        figure=figure,
        n=n,
        difference=mean,
        standard_error=error,
        margin=MARGIN * float(baseline.std(ddof=1)),
        low=mean - half,
        high=mean + half,
        detectable=(threshold + NormalDist().inv_cdf(POWER)) * error,
        apart=abs(mean) > threshold * error,
    )


def t_quantile(probability: float, freedom: int) -> float:
    """Student's t, from the normal quantile (Abramowitz and Stegun 1964, 26.7.5); 0.2% off at 31 degrees."""
    z = NormalDist().inv_cdf(probability)
    terms = (
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
        (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92160,
    )
    return z + sum(term / freedom**power for power, term in enumerate(terms, start=1))
