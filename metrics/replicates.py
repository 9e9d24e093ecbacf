"""How much of a value's variance comes from prompts, and how much from noise.

With several images of each prompt, an image's contribution is x_ij = m + p_i + e_ij: p_i is what its prompt
does, e_ij what its start noise does. The variances of both are those of the random-effects model of one-way
analysis of variance (Searle, Casella and McCulloch, "Variance components", 1992, chapter 3).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from metrics.errors import MetricsError

__all__ = ["Components", "variance_components"]


@dataclass(frozen=True)
class Components:
    """The variances of p_i and e_ij, estimated from ``images`` images of ``prompts`` prompts."""

    of_prompts: float
    of_noise: float
    prompts: int
    images: int

    @property
    def share_of_prompts(self) -> float | None:
        """The part of an image's variance that its prompt makes, in [0, 1]; None if nothing varies."""
        whole = self.of_prompts + self.of_noise
        return self.of_prompts / whole if whole > 0 else None

    def standard_error(self, *, prompts: float = 1, images: float = 1, same_prompts: bool = False) -> float:
        """Return the standard error of the mean of x_ij.

        Args:
            prompts: How many times the prompts.
            images: How many times the images of each prompt.
            same_prompts: Whether a repetition would have the same prompts, so that only its noise differs.
        """
        of_prompts = 0.0 if same_prompts else self.of_prompts / (self.prompts * prompts)
        return math.sqrt(of_prompts + self.of_noise / (self.images * prompts * images))


def variance_components(values: ArrayLike, clusters: ArrayLike) -> Components:
    """Return the variance components of values [n] that share a prompt if they share a label in ``clusters``.

    Prompts may have different numbers of images. A negative estimate of the prompts' variance becomes 0.

    Raises:
        MetricsError: There are fewer than two prompts, or no prompt has two images.
    """
    x = np.asarray(values, dtype=np.float64)
    _, members, counts = np.unique(np.asarray(clusters), return_inverse=True, return_counts=True)
    n, prompts = x.size, counts.size
    if prompts < 2 or n == prompts:
        raise MetricsError(
            f"{n} images of {prompts} prompts: prompts and noise are told apart by two images of a prompt, "
            "and two prompts"
        )
    means = np.bincount(members, weights=x) / counts
    within = float(np.sum((x - means[members]) ** 2)) / (n - prompts)
    between = float(counts @ (means - x.mean()) ** 2) / (prompts - 1)
    images_each = (n - float(counts @ counts) / n) / (prompts - 1)
    return Components(max((between - within) / images_each, 0.0), within, prompts, n)
