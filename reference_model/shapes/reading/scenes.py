"""Read whole pictures: background, figures, and the words for each."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from reference_model.shapes.reading.backgrounds import find_backgrounds
from reference_model.shapes.reading.figures import Match, match_figures
from reference_model.shapes.reading.outlines import coverage
from reference_model.shapes.reading.tones import read_tones
from reference_model.shapes.scenes import IMAGE_SIZE

__all__ = ["Sighting", "View", "read_scenes"]

_CHUNK = 16
_LEGIBLE = 0.5  # a greater misfit means no shape; clean scenes stay below 0.2


@dataclass(frozen=True)
class Sighting:
    """A figure that a picture shows.

    ``shape`` is None if none fits: ``misfit`` is the share of its pixels that the nearest shape leaves
    unexplained, 0 for a perfect match. ``centre`` is (x, y) in pixels, y downwards.
    """

    shape: str | None
    colour: str
    size: str
    texture: str
    centre: tuple[float, float]
    misfit: float


@dataclass(frozen=True)
class View:
    """What a picture shows: up to two figures, from left to right or top to bottom, and the background."""

    figures: tuple[Sighting, ...]
    background: str
    style: str


def read_scenes(images: NDArray[np.uint8]) -> list[View]:
    """Read pictures, uint8 [n, 64, 64, 3].

    Raises:
        ValueError: pictures of another type or size.
    """
    if images.dtype != np.uint8 or images.shape[1:] != (IMAGE_SIZE, IMAGE_SIZE, 3):
        shape = f"uint8 [n, {IMAGE_SIZE}, {IMAGE_SIZE}, 3]"
        raise ValueError(f"pictures must be {shape}, got {images.dtype} {list(images.shape)}")
    with _one_thread():
        return [
            view for start in range(0, len(images), _CHUNK) for view in _views(images[start : start + _CHUNK])
        ]


@contextmanager
def _one_thread() -> Iterator[None]:
    """Let torch compute on one thread: steps are so small that several mostly wait for each other.

    On a busy machine two threads took eight times the processor time of one.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _views(images: NDArray[np.uint8]) -> list[View]:
    pictures = np.ascontiguousarray(images.transpose(0, 3, 1, 2), dtype=np.float32) / np.float32(255)
    backdrops = find_backgrounds(pictures)
    contrasts = [
        np.sqrt(((picture - backdrop.pixels) ** 2).sum(axis=0))
        for picture, backdrop in zip(pictures, backdrops, strict=True)
    ]
    matches = match_figures(np.stack(contrasts))
    covers = iter(coverage([match.outline for found in matches for match in found]))
    return [
        View(
            tuple(_sighting(picture, match, next(covers)) for match in found), backdrop.colour, backdrop.style
        )
        for picture, backdrop, found in zip(pictures, backdrops, matches, strict=True)
    ]


def _sighting(picture: NDArray[np.float32], match: Match, cover: NDArray[np.float32]) -> Sighting:
    outline = match.outline
    colour, texture = read_tones(picture, outline, cover)
    shape = outline.shape if match.misfit < _LEGIBLE else None
    return Sighting(shape, colour, outline.size, texture, outline.centre, match.misfit)
