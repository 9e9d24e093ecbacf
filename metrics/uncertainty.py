"""A figure together with how sure it is."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Estimate", "standard_error_of_mean"]


@dataclass(frozen=True, eq=False)
class Estimate:
    """A metric's value over n generated images, with its standard error.

    The error is that of drawing other generated images (other noise, other prompts); the set of real
    images is held fixed, since every cell of a sweep is compared with the same one. It says nothing of
    the bias that a finite n gives the value itself.

    ``per_image`` [n] float64 holds what each generated image contributes, up to a constant, to first
    order: its standard deviation (ddof=1) over sqrt(n) is ``standard_error``. For two cells over the same
    prompts in the same order, the same of the differences is the standard error of the difference.

    ``standard_error`` and ``per_image`` are None where no error can be given; ``note`` then says why.
    """

    value: float
    standard_error: float | None
    n: int
    per_image: NDArray[np.float64] | None
    note: str = ""


def standard_error_of_mean(values: NDArray[np.float64]) -> float:
    """Return std(values, ddof=1) / sqrt(n) of values [n], n >= 2."""
    return float(np.std(values, ddof=1)) / math.sqrt(values.size)
