"""Arrays of numpy or of torch: formulas run where their arrays lie, on a GPU in torch's."""

from __future__ import annotations

from typing import Any

import numpy as np
from array_api_compat import array_namespace, device, to_device
from numpy.typing import NDArray

__all__ = ["Array", "array_namespace", "beside", "to_numpy"]

Array = Any
"""Float64, of numpy or torch. What both spell alike is used of them."""


def beside(values: NDArray[Any], other: Array) -> Array:
    """Return the values as an array of the same library on the same device as ``other``."""
    return array_namespace(other).asarray(values, device=device(other))


def to_numpy(values: Array) -> NDArray[np.float64]:
    """Return the values as an array of numpy."""
    return np.asarray(to_device(values, "cpu"), dtype=np.float64)
