"""Image sets of pictures in memory: numpy arrays, torch tensors, PIL images, or paths of files."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from sdbench.core.errors import InputError
from sdbench.data.image_sets import ImageSet
from sdbench.data.image_sets.containers import Container
from sdbench.data.image_sets.decoding import as_rgb, decode

__all__ = ["images_in_memory"]

_SIZE = struct.Struct("<II")
"""Height and width before the pixels of an image."""


def images_in_memory(images: Any, what: str) -> ImageSet:
    """Return the images as a set; their names are their places, or the paths.

    Args:
        images: An array or a tensor of several images, or a sequence of PIL images, arrays, tensors or paths
            of files. Arrays have 3 channels, first or last; uint8 from 0 to 255 or floats from 0 to 1, which
            are rounded to 8 bits.
        what: What messages call them.

    Raises:
        InputError: They are none of these.
    """
    try:
        each = _each(images)
        if each and all(isinstance(image, str | os.PathLike) for image in each):
            return _of_files([str(image) for image in each], what)
        blobs = [_blob(image) for image in each]
    except ValueError as error:
        raise InputError(f"{what}: {error}") from None
    names = tuple(f"{place:06d}" for place in range(len(blobs)))

    def read(wanted: Iterable[str]) -> Iterator[bytes]:
        return (blobs[int(name)] for name in wanted)

    return ImageSet(what, names, Container(names, read, {}), _of_blob)


def _each(images: Any) -> Sequence[Any]:
    if isinstance(images, Image.Image):
        return [images]
    if isinstance(images, list | tuple):
        return images
    array = as_array(images)
    if array is None:
        raise ValueError(
            f"{type(images).__name__} is not a set of images: give a path, an array, a tensor or a list"
        )
    if array.ndim != 4:
        raise ValueError(f"an array of images has 4 dimensions, this one has the shape {list(array.shape)}")
    return list(_channels_last(array, first=not isinstance(images, np.ndarray)))


def as_array(value: Any) -> np.ndarray | None:
    """Return an array or a torch tensor of any device as a numpy array; None for anything else."""
    if isinstance(value, np.ndarray):
        return value
    if type(value).__module__.partition(".")[0] != "torch":
        return None
    tensor = value.detach().cpu()
    return np.asarray(tensor.float() if str(tensor.dtype) == "torch.bfloat16" else tensor)


def _of_files(paths: Sequence[str], what: str) -> ImageSet:
    def read(names: Iterable[str]) -> Iterator[bytes]:
        return (Path(name).read_bytes() for name in names)

    return ImageSet(what, tuple(paths), Container(tuple(paths), read, {}), decode)


def _blob(image: Any) -> bytes:
    if isinstance(image, Image.Image):
        pixels = np.asarray(as_rgb(image))
    else:
        array = as_array(image)
        if array is None:
            raise ValueError(f"{type(image).__name__} is not an image; give PIL images, arrays or tensors")
        if array.ndim != 3:
            raise ValueError(f"an image has 3 dimensions, this one has the shape {list(array.shape)}")
        pixels = _eight_bits(_channels_last(array[None], first=not isinstance(image, np.ndarray))[0])
    return _SIZE.pack(*pixels.shape[:2]) + pixels.tobytes()


def _of_blob(blob: bytes) -> Image.Image:
    height, width = _SIZE.unpack_from(blob)
    return Image.frombytes("RGB", (width, height), blob[_SIZE.size :])


def _channels_last(array: np.ndarray, *, first: bool) -> np.ndarray:
    """Return images [N, H, W, 3]; `first` decides where both places could be the channels."""
    at_first, at_last = array.shape[1] == 3, array.shape[3] == 3
    if not at_first and not at_last:
        raise ValueError(f"images need 3 channels, first or last; the shape is {list(array.shape)}")
    return np.moveaxis(array, 1, 3) if at_first and (first or not at_last) else array


def _eight_bits(array: np.ndarray) -> np.ndarray:
    if array.dtype == np.uint8:
        return array
    if not np.issubdtype(array.dtype, np.floating):
        raise ValueError(f"pixels are {array.dtype}; give uint8 from 0 to 255, or floats from 0 to 1")
    if not np.isfinite(array).all():
        raise ValueError("pixels hold NaN or infinity")
    if array.size and (array.min() < 0 or array.max() > 1):
        raise ValueError(
            f"floats must be from 0 to 1, these are from {array.min():.3g} to {array.max():.3g}; scale them "
            "first, or give uint8"
        )
    return np.rint(array * 255).astype(np.uint8)
