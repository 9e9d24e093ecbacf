"""Sums over all pairs of two sets, in blocks: 10,000 x 10,000 pairs at once would take 800 MB."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

__all__ = ["row_sums"]

_BLOCK_ROWS = 2048

Kernel = Callable[[NDArray[np.float64], NDArray[np.float64]], NDArray[np.float64]]
"""Maps [n, d] and [m, d] to the kernel of all pairs, [n, m]."""


def row_sums(kernel: Kernel, x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the kernel of each row of x [n, d], summed over the rows of y [m, d]: [n]."""
    starts = range(0, len(x), _BLOCK_ROWS)
    return np.concatenate([kernel(x[start : start + _BLOCK_ROWS], y).sum(axis=1) for start in starts])
