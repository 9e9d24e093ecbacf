"""Bistable pairs: most pairs differ by rounding, a few fell into another image altogether.

The distances of such pairs form two heaps on a logarithmic scale. A floor under their mean or minimum flips
with the number of pairs that fell; two heaps can be counted.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

__all__ = ["FLOOR", "heaps"]

FLOOR = 0.01
"""Smallest distance told apart, in levels: one value of a 64-pixel image off by one level."""

APART = 4.0
"""Least distance between the heaps' means in units of the root mean square of their deviations.

Ashman, Bird and Zepf, "Detecting bimodality in astronomical datasets" (1994), equation 1, ask for 2 between
clearly separated normal heaps; an even spread that is cut in half has 3.5, so only more than that counts.
"""

EMPTY = 1.0
"""Least distance between the heaps' nearest members, a factor of 2: an outlier of one heap is closer."""

NARROWEST = 0.25
"""Least standard deviation of a heap, in units of the logarithm to base 2: heaps of one value have none."""

FEWEST = 8


def heaps(distances: NDArray[np.float64]) -> float | None:
    """Return the distance between two heaps of distances [n], in levels; None if there is one heap.

    The split is the one under which two normal distributions of the logarithms make the data most likely.
    """
    values = np.sort(np.log2(np.maximum(distances, FLOOR)))
    n = values.size
    if n < FEWEST:
        return None
    counts = np.arange(1, n)
    sums, squares = np.cumsum(values), np.cumsum(values**2)
    left, right = (
        _spread(counts, sums[:-1], squares[:-1]),
        _spread(n - counts, sums[-1] - sums[:-1], squares[-1] - squares[:-1]),
    )
    shares = counts / n
    cost = shares * np.log(left / shares) + (1 - shares) * np.log(right / (1 - shares))
    best = int(np.argmin(cost))
    gap = (sums[-1] - sums[best]) / (n - counts[best]) - sums[best] / counts[best]
    separation = math.sqrt(2) * gap / math.hypot(left[best], right[best])
    if separation <= APART or values[best + 1] - values[best] < EMPTY:
        return None
    return float(2 ** ((values[best] + values[best + 1]) / 2))


def _spread(
    counts: NDArray[np.int_], sums: NDArray[np.float64], squares: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return standard deviations, from the number, sum and sum of squares of the values."""
    variance = np.maximum(squares / counts - (sums / counts) ** 2, 0)
    return np.maximum(np.sqrt(variance), NARROWEST)
