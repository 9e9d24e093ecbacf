"""The Pareto front: the points that no other beats in both figures."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

__all__ = ["pareto_front"]


def pareto_front(worth: ArrayLike, cost: ArrayLike) -> list[int]:
    """Return the places of the points that no other is worth more than for less cost, the cheapest first.

    ``worth`` [n], more is better, and ``cost`` [n], less is better. Of equal points the first one is taken.
    """
    gains, prices = np.asarray(worth, dtype=np.float64), np.asarray(cost, dtype=np.float64)
    front: list[int] = []
    for place in np.lexsort((-gains, prices)):
        if not front or gains[place] > gains[front[-1]]:
            front.append(int(place))
    return front
