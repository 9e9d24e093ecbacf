"""Values of a recipe: of several checkpoints that were trained alike, from other seeds.

Checkpoints of one recipe differ by chance, so what holds for one need not hold for the next. A value of the
recipe is the mean of its g checkpoints' values. Its error has two parts: s^2 / g, s^2 being the variance
between the checkpoints' values, and that of the images, which the checkpoints share (prompts and noise). The
first also holds what the checkpoints do not share of the second, so the sum is a little too large.

With few checkpoints s^2 is uncertain. Intervals take Student's t with g - 1 degrees for this part and add the
parts' reaches in squares (modified large samples; Graybill and Wang, "Confidence intervals on nonnegative
linear combinations of variances", 1980).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from metrics.best import pooled
from metrics.compare import compare
from metrics.errors import MetricsError
from metrics.uncertainty import Estimate

__all__ = ["RecipeValue", "recipe_difference", "recipe_value"]

_LEVEL = 0.05


@dataclass(frozen=True)
class RecipeValue:
    """The value of a recipe, or the difference of two.

    Attributes:
        value: The mean over the checkpoints, or the difference of two means.
        spreads: The variance of that mean that comes from checkpoints, and its degrees of freedom, by recipe.
        of_images: The standard error that comes from images; None if the metric has none.
        degrees: The degrees of freedom of ``of_images``.
        n: Number of images of each checkpoint.
        note: Why there is no error.
    """

    value: float
    spreads: tuple[tuple[float, int], ...]
    of_images: float | None
    degrees: float
    n: int
    note: str = ""

    @property
    def of_checkpoints(self) -> float:
        """The standard error that comes from checkpoints."""
        return math.sqrt(sum(variance for variance, _ in self.spreads))

    @property
    def standard_error(self) -> float | None:
        """The error for other checkpoints of the recipe and other images."""
        return None if self.of_images is None else math.hypot(self.of_checkpoints, self.of_images)

    @property
    def interval(self) -> tuple[float, float] | None:
        """The 95% interval; None without an error."""
        reach = self._reach(_LEVEL)
        return None if reach is None else (self.value - reach, self.value + reach)

    @property
    def p_value(self) -> float | None:
        """The two-sided p-value of "the value is 0": the level whose interval ends there."""
        whole = self._reach(1.0)
        if whole is None:
            return None
        low, high = 0.0, 1.0
        for _ in range(60):
            middle = (low + high) / 2
            reach = self._reach(middle) or 0.0
            low, high = (middle, high) if reach > abs(self.value) else (low, middle)
        return high

    def _reach(self, level: float) -> float | None:
        """Return half the width of the interval that fails to cover with probability ``level``."""
        from scipy.special import stdtrit

        if self.of_images is None:
            return None
        parts = [*self.spreads, (self.of_images**2, self.degrees)]
        if level == 0:
            return math.inf
        return math.sqrt(sum(variance * float(stdtrit(df, 1 - level / 2)) ** 2 for variance, df in parts))


def recipe_value(estimates: Sequence[Estimate]) -> RecipeValue:
    """Return the value of a recipe from those of its checkpoints, at least two, over the same prompts.

    Raises:
        MetricsError: There are fewer than two, or they have different numbers of images.
    """
    mean = pooled(estimates)
    parts = mean.n if mean.clusters is None else int(mean.clusters.max()) + 1
    return RecipeValue(
        mean.value, (_spread(estimates),), mean.standard_error, max(parts - 1, 1), mean.n, mean.note
    )


def recipe_difference(a: Sequence[Estimate], b: Sequence[Estimate]) -> RecipeValue:
    """Return a - b of two recipes, whose checkpoints all have the same prompts and noise.

    Raises:
        MetricsError: A recipe has fewer than two checkpoints, or they have different numbers of images.
    """
    one, other = pooled(a), pooled(b)
    test = compare(one, other)
    spreads = _spread(a), _spread(b)
    return RecipeValue(test.difference, spreads, test.standard_error, test.degrees, one.n, test.note)


def _spread(estimates: Sequence[Estimate]) -> tuple[float, int]:
    """Return the variance of the mean of values, from their spread, and its degrees of freedom."""
    count = len(estimates)
    if count < 2:
        raise MetricsError(f"{count} checkpoint: the spread between checkpoints needs at least 2")
    return float(np.var([estimate.value for estimate in estimates], ddof=1)) / count, count - 1
