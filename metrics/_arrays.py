"""Arrays of numpy or torch: a formula runs where its arrays are, on a GPU if they are torch's."""

from __future__ import annotations

from typing import Any

import numpy as np
from array_api_compat import array_namespace, device, to_device
from numpy.typing import NDArray

__all__ = ["Array", "array_namespace", "beside", "to_numpy"]

Array = Any
"""A float64 array of numpy or torch; only what both libraries share is used."""


def beside(values: NDArray[Any], other: Array) -> Array:
    """Return the values as an array of the same library and on the same device as ``other``."""
    return array_namespace(other).asarray(values, device=device(other))


def to_numpy(values: Array) -> NDArray[np.float64]:
    """Return the values as a numpy array."""
    return np.asarray(to_device(values, "cpu"), dtype=np.float64)
