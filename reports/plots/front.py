"""The Pareto front: the points that no other point beats in both values."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

__all__ = ["pareto_front"]


def pareto_front(worth: ArrayLike, cost: ArrayLike) -> list[int]:
    """Return the indices of the points on the front, the cheapest first.

    A point is on the front if no other has both a higher ``worth`` [n] and a lower ``cost`` [n]. Of equal
    points the first is taken.
    """
    gains, prices = np.asarray(worth, dtype=np.float64), np.asarray(cost, dtype=np.float64)
    front: list[int] = []
    for place in np.lexsort((-gains, prices)):
        if not front or gains[place] > gains[front[-1]]:
            front.append(int(place))
    return front
