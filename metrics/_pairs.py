"""Sums over all pairs of two sets, in blocks, so that 10,000 x 10,000 pairs need no 800 MB."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

__all__ = ["row_sums"]

_BLOCK_ROWS = 2048

Kernel = Callable[[NDArray[np.float64], NDArray[np.float64]], NDArray[np.float64]]
"""The kernel of all pairs: [n, d], [m, d] -> [n, m]."""


def row_sums(kernel: Kernel, x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return, for each row of x [n, d], the sum over y [m, d] of the kernel: [n]."""
    starts = range(0, len(x), _BLOCK_ROWS)
    return np.concatenate([kernel(x[start : start + _BLOCK_ROWS], y).sum(axis=1) for start in starts])
