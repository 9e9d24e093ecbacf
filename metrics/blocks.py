"""Errors of values that are known only for whole sets: the jackknife over blocks of images.

Where the contribution of a single image is unknown, the value of the set without one of g blocks takes its
place (Shao and Wu, "A general theory for jackknife variance estimation", 1989, on leaving out several).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from metrics.errors import MetricsError
from metrics.uncertainty import Estimate

__all__ = ["BLOCKS", "FEWEST_BLOCKS", "block_estimate", "blocks_of", "without_each"]

BLOCKS = 16
"""Blocks of a set; 15 degrees of freedom."""

FEWEST_BLOCKS = 4
"""Below this an error would be mostly noise."""

_State = TypeVar("_State")


def blocks_of(n: int, prompts: Sequence[str]) -> NDArray[np.intp]:
    """Return the block of each of n images, 0 to at most BLOCKS - 1: [n].

    Blocks hold consecutive prompts, with all images of each, so that blocks are independent. ``prompts`` is
    empty if they are not known.
    """
    first: dict[object, int] = {}
    places = np.array([first.setdefault(key, len(first)) for key in (prompts or range(n))], dtype=np.intp)
    return places * min(BLOCKS, len(first)) // max(1, len(first))


def without_each(
    start: _State, blocks: int, add: Callable[[_State, int], _State], value: Callable[[_State], float]
) -> list[float]:
    """Return the value without block b, for every block.

    Halves are added in turn, so that each block is added log2(blocks) times instead of blocks - 1 times.

    Args:
        start: A state that holds no block.
        blocks: Their number.
        add: Returns the state with a block more, and leaves the state it was given unchanged.
        value: Returns the value of a state.
    """

    def left_out(state: _State, low: int, high: int) -> list[float]:
        if high - low == 1:
            return [value(state)]
        middle = (low + high) // 2
        first = second = state
        for block in range(middle, high):
            first = add(first, block)
        for block in range(low, middle):
            second = add(second, block)
        return left_out(first, low, middle) + left_out(second, middle, high)

    return left_out(start, 0, blocks)


def block_estimate(value: float, without: ArrayLike, members: NDArray[np.intp]) -> Estimate:
    """Return a value with the error that the g values [g] without one block give it.

    The error is sqrt((g - 1) / g * sum of squared deviations of ``without``). ``per_image`` gives each image
    of block b the same share of (g - 1) (mean - without_b), and ``clusters`` are the blocks ``members`` [n],
    so that two sets with the same blocks are compared block by block. Raises MetricsError for fewer than
    FEWEST_BLOCKS blocks or values that are not finite.
    """
    left = np.asarray(without, dtype=np.float64)
    g, n = left.size, members.size
    if g < FEWEST_BLOCKS or not np.isfinite(left).all():
        raise MetricsError(f"{g} blocks, at least {FEWEST_BLOCKS} with finite values are needed")
    influence = (g - 1) * (left.mean() - left)
    sizes = np.bincount(members, minlength=g)
    error = math.sqrt((g - 1) / g * float(((left - left.mean()) ** 2).sum()))
    return Estimate(value, error, n, (influence * n / (g * sizes))[members], clusters=members)
