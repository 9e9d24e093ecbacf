"""Whether a moved trajectory still gives images of the same quality: paired equivalence tests.

Two one-sided t-tests (Schuirmann 1987) on the differences prompt by prompt. The margin is 0.2 standard
deviations of the figure among the images of the baseline: two independent sets of 50 images have a standard
error of sqrt(2 / 50) = 0.2 standard deviations, so no comparison of fewer images would see a shift within it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri, stdtrit

__all__ = ["MARGIN", "Equivalence", "equivalence"]

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
    half, threshold = (float(stdtrit(n - 1, 1 - share)) * error for share in (LEVEL, ALARM / 2))
    return Equivalence(
        figure=figure,
        n=n,
        difference=mean,
        standard_error=error,
        margin=MARGIN * float(baseline.std(ddof=1)),
        low=mean - half,
        high=mean + half,
        detectable=threshold + float(ndtri(POWER)) * error,
        apart=abs(mean) > threshold,
    )
