"""Bring reference images to the size of generated ones."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageOps

__all__ = ["fit"]


def fit(image: Image.Image, height: int, width: int) -> np.ndarray:
    """Return an RGB image as uint8 [height, width, 3], cropped centrally and resized (Lanczos)."""
    return np.asarray(ImageOps.fit(image, (width, height), Image.Resampling.LANCZOS))
