"""Content digests of values, files and images: sha256, in hexadecimal."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

__all__ = ["SHORT", "digest_bytes", "digest_file", "digest_pixels", "digest_value"]

SHORT = 12
"""Hex digits of a digest in file and folder names (48 bits); metadata holds all 64."""


def digest_bytes(data: bytes) -> str:
    """Return the sha256 of `data`."""
    return hashlib.sha256(data).hexdigest()


def digest_value(value: Any) -> str:
    """Return the sha256 of a JSON value. The order of keys does not matter; 1 and 1.0 differ."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return digest_bytes(text.encode("utf-8"))


def digest_file(path: Path) -> str:
    """Return the sha256 of a file's bytes."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def digest_pixels(pixels: np.ndarray) -> str:
    """Return the sha256 of an image's uint8 pixels [H, W, 3] in row order, whatever the array's strides."""
    return digest_bytes(pixels.tobytes(order="C"))
