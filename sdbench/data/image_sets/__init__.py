"""Sets of images from elsewhere: a folder with its subfolders, a .zip, a .tar, a folder of these, or an .npz
with arr_0.

Images are read one by one in the order of their names, so a set may be larger than memory.
"""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import TypeVar

import numpy as np
from PIL import Image

from metrics import MetricsError
from metrics.adm_images import adm_batches, adm_shape
from sdbench.core.digest import digest_bytes, digest_value
from sdbench.core.errors import InputError, one_line
from sdbench.core.paths import existing_path
from sdbench.data.image_sets.containers import Container, container
from sdbench.data.image_sets.decoding import SUFFIXES, TruncatedError, decode
from sdbench.data.image_sets.listing import HARMLESS, by_suffix, in_words
from sdbench.data.image_sets.resizing import fit

__all__ = ["SUFFIXES", "Batch", "ImageSet", "open_image_set"]

_Item = TypeVar("_Item")


@dataclass(frozen=True)
class Batch:
    """Images uint8 [B, H, W, 3] with their names; files of those in `truncated` are incomplete (black)."""

    names: tuple[str, ...]
    pixels: np.ndarray
    truncated: frozenset[str]


@dataclass(frozen=True)
class ImageSet:
    """Images by name, in order.

    Attributes:
        where: The start of every error message.
        names: Names of the images.
        files: All files of the set, images and others.
        decode: Turns the bytes of an image into RGB; ValueError says why it cannot be used.
        passed_over: Names of everything found that is no image of the set, by the rule that says why; files
            of other formats by their suffix.
    """

    where: str
    names: tuple[str, ...]
    files: Container
    decode: Callable[[bytes], Image.Image]
    passed_over: Mapping[str, list[str]] = field(default_factory=dict)

    @property
    def about(self) -> str:
        """What the set passes over, in words; "" for nothing."""
        return in_words(self.passed_over)

    @property
    def note(self) -> str:
        """What values over the set must say: what it passes over, without what lies beside images anyway."""
        words = in_words({rule: names for rule, names in self.passed_over.items() if rule not in HARMLESS})
        return words and f"passed over: {words}"

    @property
    def counts(self) -> dict[str, int]:
        """How many entries each rule passes over."""
        return {rule: len(names) for rule, names in sorted(self.passed_over.items())}

    def only(self, wanted: Callable[[str], bool]) -> ImageSet:
        """Return the images whose names are `wanted`, in the order of the set."""
        return replace(self, names=tuple(filter(wanted, self.names)))

    def digest(self) -> str:
        """Return the sha256 over the images' bytes in order, regardless of names.

        Raises:
            InputError: A file cannot be read.
        """
        return digest_value([digest_bytes(blob) for _, blob in self._entries()])

    def image_size(self) -> tuple[int, int]:
        """Return (height, width) of the first image; raises InputError if it cannot be used."""
        image = self._image(*next(self._entries()))
        return image.height, image.width

    def fitted(self, height: int, width: int, batch_size: int) -> Iterator[np.ndarray]:
        """Yield all images as uint8 [B, height, width, 3], cropped centrally and resized (Lanczos).

        Raises:
            InputError: A file cannot be used; the message names it.
        """
        for part in _batched(self._entries(), batch_size):
            yield np.stack([fit(self._image(name, blob), height, width) for name, blob in part])

    def batches(self, batch_size: int) -> Iterator[Batch]:
        """Yield all images at their own size.

        Raises:
            InputError: A file cannot be used, or two images differ in size; the message names them.
        """
        first: tuple[str, np.ndarray] | None = None
        for part in _batched(self._entries(), batch_size):
            pixels, truncated = [], set()
            for name, blob in part:
                try:
                    pixels.append(np.asarray(self._image(name, blob, refuse_truncated=False)))
                except TruncatedError as error:
                    truncated.add(name)
                    pixels.append(np.zeros((*error.size, 3), np.uint8))
                first = first or (name, pixels[-1])
                self._check_sizes(first, (name, pixels[-1]))
            yield Batch(tuple(name for name, _ in part), np.stack(pixels), frozenset(truncated))

    def read(self, names: Sequence[str]) -> Iterator[bytes]:
        """Yield the bytes of files of the set; raises InputError, which names the file, for a bad one."""
        blobs = self.files.read(names)
        for name in names:
            try:
                yield next(blobs)
            except (OSError, ValueError, MetricsError) as error:
                raise InputError(f"{self.where}: {name} {one_line(error)}") from None

    def _entries(self) -> Iterator[tuple[str, bytes]]:
        return zip(self.names, self.read(self.names), strict=True)

    def _image(self, name: str, blob: bytes, *, refuse_truncated: bool = True) -> Image.Image:
        try:
            return self.decode(blob)
        except ValueError as error:
            if isinstance(error, TruncatedError) and not refuse_truncated:
                raise
            raise InputError(f"{self.where}: {name} {error}") from None

    def _check_sizes(self, *images: tuple[str, np.ndarray]) -> None:
        if len({pixels.shape for _, pixels in images}) > 1:
            sizes = " and ".join(f"{name} has {p.shape[1]}x{p.shape[0]} pixels" for name, p in images)
            raise InputError(f"{self.where}: {sizes}; images that are not resized must have the same size")


def open_image_set(text: str, what: str, fewest: int) -> ImageSet:
    """Open the images at a path.

    Args:
        text: The path.
        what: What messages call the path.
        fewest: The smallest number of images allowed.

    Raises:
        InputError: The path does not exist, cannot be read, or has too few images.
    """
    path = existing_path(text, what)
    try:
        images = _array(path, what) if path.suffix.lower() == ".npz" else _files(path, what)
    except OSError as error:
        raise InputError(f"{what}: {error.filename or path}: {error.strerror or error}") from None
    except ValueError as error:
        raise InputError(f"{what}: {path} {one_line(error)}") from None
    except MetricsError as error:
        raise InputError(f"{what}: {error}") from None
    if len(images.names) < fewest:
        found = f"{what}: {path} contains {len(images.names)} images"
        beside = f"; passed over: {images.about}" if images.about else ""
        raise InputError(f"{found}, at least {fewest} are needed{beside}")
    return images


def _files(path: Path, what: str) -> ImageSet:
    files = container(path)
    names = tuple(name for name in files.names if PurePosixPath(name).suffix.lower() in SUFFIXES)
    others = by_suffix(name for name in files.names if PurePosixPath(name).suffix.lower() not in SUFFIXES)
    return ImageSet(f"{what}: {path}", names, files, decode, {**files.passed_over, **others})


def _array(path: Path, what: str) -> ImageSet:
    count, height, width = adm_shape(path)
    names = tuple(f"{place:06d}" for place in range(count))

    def read(wanted: Iterable[str]) -> Iterator[bytes]:
        chosen = set(wanted)
        rows = adm_batches(path, 1)
        return (row.tobytes() for name, row in zip(names, rows, strict=True) if name in chosen)

    def as_image(row: bytes) -> Image.Image:
        return Image.frombytes("RGB", (width, height), row)

    with zipfile.ZipFile(path) as archive:
        others = [name for name in archive.namelist() if name != "arr_0.npy"]
    files = Container(names, read, {"other arrays": others} if others else {})
    return ImageSet(f"{what}: {path}", names, files, as_image, files.passed_over)


def _batched(items: Iterator[_Item], size: int) -> Iterator[list[_Item]]:
    while part := list(islice(items, size)):
        yield part
