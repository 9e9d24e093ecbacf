"""Sets of images in one .npz file, in the format of ADM's evaluator: arr_0, uint8 [n, H, W, 3].

Dhariwal and Nichol, "Diffusion models beat GANs on image synthesis" (2021), published their samples and
reference batches in it. Ten thousand images of 512 pixels take 8 GB, so files are read in batches, never
whole.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from metrics.errors import MetricsError
from metrics.preprocess import check_images

__all__ = ["adm_batches", "adm_shape", "write_adm_images"]

_MEMBER = "arr_0.npy"
_HEADERS = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}


def adm_shape(path: Path) -> tuple[int, int, int]:
    """Return (n, height, width) of the images in a file; MetricsError if it holds none."""
    try:
        with zipfile.ZipFile(path) as archive, archive.open(_MEMBER) as member:
            return _shape(member)
    except (OSError, KeyError, RuntimeError, ValueError, zipfile.BadZipFile) as error:
        raise MetricsError(f"{path}: holds no images arr_0, uint8 [n, H, W, 3] ({error})") from None


def adm_batches(path: Path, batch_size: int) -> Iterator[NDArray[np.uint8]]:
    """Yield the images of a file in order, uint8 [B, H, W, 3]; MetricsError if it is damaged."""
    n, height, width = adm_shape(path)
    image_bytes = height * width * 3
    with zipfile.ZipFile(path) as archive, archive.open(_MEMBER) as member:
        _shape(member)
        for start in range(0, n, batch_size):
            count = min(batch_size, n - start)
            try:
                data = member.read(count * image_bytes)
            except (OSError, EOFError, RuntimeError, zipfile.BadZipFile) as error:
                raise MetricsError(f"{path}: damaged at image {start} of {n}: {error}") from None
            if len(data) < count * image_bytes:
                raise MetricsError(f"{path}: ends within images {start} to {start + count - 1} of {n}")
            yield np.frombuffer(data, dtype=np.uint8).reshape(count, height, width, 3)


def write_adm_images(path: Path, images: NDArray[np.uint8]) -> None:
    """Write images uint8 [n, H, W, 3]; the file appears complete or not at all."""
    check_images(images)
    aside = path.with_name(f".{path.name}.partial")
    try:
        with aside.open("wb") as stream:
            np.savez(stream, arr_0=images)
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)


def _shape(member: IO[bytes]) -> tuple[int, int, int]:
    """Read an array's header and return its shape; ValueError if it is not a set of images."""
    read_header = _HEADERS.get(npy.read_magic(member))
    if read_header is None:
        raise ValueError("unknown array format")
    shape, by_columns, dtype = read_header(member)
    if dtype != np.uint8 or len(shape) != 4 or shape[3] != 3 or by_columns or 0 in shape:
        raise ValueError(f"{dtype} {list(shape)}")
    return shape[0], shape[1], shape[2]
