"""Find the figures of a picture: match the renderer's own shapes to what differs from the background.

One figure, two beside each other and two above each other are tried. Two must explain the picture much better
than one does, since two outlines fit any blob better than one.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from reference_model.shapes.render import paint
from reference_model.shapes.scenes import IMAGE_SIZE, SHAPES, Background, Figure, Scene

__all__ = ["Match", "coverage", "match_figures"]

Pixels = NDArray[np.float32]

_MIDDLE = IMAGE_SIZE // 2
# Radii in pixels as (size, radius), for a figure that has the picture to itself and for one of two.
_ALONE = (("large", 19.6), ("large", 20.9), ("small", 11.9), ("small", 12.6))
_PAIRED = (("large", 13.9), ("large", 14.4), ("small", 9.0), ("small", 9.5))
_TURNS = (-8.0, -4.0, 0.0, 4.0, 8.0)  # degrees
_ROUND = ("circle", "ring")
_REACH = 8  # how far from the middle of its place the centre of a figure may lie, in pixels
_NOISE, _VISIBLE, _LEAST_PIXELS = 0.08, 0.16, 20
_EDGE = 0.6  # the share of a figure's usual contrast that counts as fully covered
# How many times better than one figure two must fit: clean scenes of one reach 0.5, those of two start at 6.
_HANDICAP = 1.4
_BLACK = Background("black", "plain", (0.0, 0.0, 0.0), 0.0, False)


@dataclass(frozen=True)
class Match:
    """A shape that fits: its outline, a plain white figure.

    ``misfit`` is the squared error that the outline leaves, as a share of the squares of the mask.
    """

    outline: Figure
    misfit: float


@dataclass(frozen=True)
class _Bank:
    """Outlines around the corner (0, 0): their transforms [64, k, 33] and their energies [k]."""

    figures: list[Figure]
    spectra: Tensor
    energies: Tensor


# The places of an arrangement, one per figure: rows and columns of its pixels, and its usual centre (x, y).
_HALF = _MIDDLE // 2
_ARRANGEMENTS: tuple[tuple[tuple[slice, slice, int, int], ...], ...] = (
    ((slice(0, IMAGE_SIZE), slice(0, IMAGE_SIZE), _MIDDLE, _MIDDLE),),
    (
        (slice(0, IMAGE_SIZE), slice(0, _MIDDLE), _HALF, _MIDDLE),
        (slice(0, IMAGE_SIZE), slice(_MIDDLE, IMAGE_SIZE), _MIDDLE + _HALF, _MIDDLE),
    ),
    (
        (slice(0, _MIDDLE), slice(0, IMAGE_SIZE), _MIDDLE, _HALF),
        (slice(_MIDDLE, IMAGE_SIZE), slice(0, IMAGE_SIZE), _MIDDLE, _MIDDLE + _HALF),
    ),
)


def match_figures(contrast: Pixels) -> list[Match]:
    """Find one or two figures, or none, in a picture's distances [64, 64] to its background.

    Two figures come in reading order: left before right, upper before lower.
    """
    found: list[tuple[float, list[Match]]] = []
    for arrangement in _ARRANGEMENTS:
        masks = [_mask(contrast, rows, columns) for rows, columns, _, _ in arrangement]
        if any(mask is None for mask in masks):
            continue
        bank = _bank(_ALONE if len(arrangement) == 1 else _PAIRED)
        fits = [
            _best(mask, bank, x, y)
            for mask, (_, _, x, y) in zip(masks, arrangement, strict=True)
            if mask is not None
        ]
        handicap = 1.0 if len(arrangement) == 1 else _HANDICAP
        found.append((handicap * sum(error for error, _ in fits), [match for _, match in fits]))
    return min(found, key=lambda item: item[0])[1] if found else []


def coverage(outlines: list[Figure]) -> Pixels:
    """Return the share of every pixel that each outline covers, [n, 64, 64]."""
    white_on_black = paint([Scene((outline,), None, _BLACK) for outline in outlines])
    return np.asarray(white_on_black[:, 0])


def _mask(contrast: Pixels, rows: slice, columns: slice) -> Pixels | None:
    """Coverage of the pixels [64, 64] by whatever lies in a place; None for nothing."""
    place = contrast[rows, columns]
    visible = place[place > _VISIBLE]
    if len(visible) < _LEAST_PIXELS:
        return None
    full = _EDGE * float(np.median(visible))
    mask = np.zeros_like(contrast)
    mask[rows, columns] = np.clip((place - _NOISE) / (full - _NOISE), 0, 1)
    return mask


def _best(mask: Pixels, bank: _Bank, x: int, y: int) -> tuple[float, Match]:
    """Return the least squared error of an outline centred near (x, y), and that outline as a match."""
    pixels = torch.from_numpy(mask)
    rows, columns = _inverse(x, y)
    product = bank.spectra * torch.fft.rfft2(pixels)[:, None]
    overlap = (rows @ product.flatten(1)).view(-1, product.shape[2]) @ columns
    near = overlap.real.view(len(rows), -1, len(rows)).transpose(0, 1).flatten(1)
    errors = float((pixels**2).sum()) + bank.energies - 2 * near.amax(dim=1)
    chosen = int(errors.argmin())
    down, right = divmod(int(near[chosen].argmax()), 2 * _REACH + 1)
    figure = bank.figures[chosen]
    centre = (float(x - _REACH + right), float(y - _REACH + down))
    outline = _outline(figure.shape, figure.size, centre, figure.radius, figure.angle)
    error = float(errors[chosen])
    return error, Match(outline, error / float((pixels**2).sum()))


@lru_cache(maxsize=8)
def _inverse(x: int, y: int) -> tuple[Tensor, Tensor]:
    """Matrices [m, 64] and [33, m] of the inverse Fourier transform at the m x m places around (x, y) alone.

    A whole transform, of which the rest is thrown away, takes several times as long.
    """
    near = torch.arange(-_REACH, _REACH + 1)
    rows = torch.arange(IMAGE_SIZE)
    columns = torch.arange(_MIDDLE + 1)
    # A real picture's transform has its other half mirrored: all columns but the first and last count twice.
    twice = torch.where((columns > 0) & (columns < _MIDDLE), 2.0, 1.0) / IMAGE_SIZE**2
    turn = 2j * np.pi / IMAGE_SIZE
    return (
        torch.exp(turn * (y + near)[:, None] * rows[None]).to(torch.complex64),
        (twice[:, None] * torch.exp(turn * columns[:, None] * (x + near)[None])).to(torch.complex64),
    )


@lru_cache(maxsize=2)
def _bank(radii: tuple[tuple[str, float], ...]) -> _Bank:
    middle = (float(_MIDDLE), float(_MIDDLE))
    figures = [
        _outline(shape, size, middle, radius, float(np.deg2rad(turn)))
        for shape in SHAPES
        for size, radius in radii
        for turn in ((0.0,) if shape in _ROUND else _TURNS)
    ]
    pixels = torch.from_numpy(coverage(figures))
    cornered = pixels.roll((-_MIDDLE, -_MIDDLE), dims=(1, 2))
    spectra = torch.fft.rfft2(cornered).conj().transpose(0, 1)
    return _Bank(figures, spectra.resolve_conj().contiguous(), (pixels**2).sum(dim=(1, 2)))


def _outline(shape: str, size: str, centre: tuple[float, float], radius: float, angle: float) -> Figure:
    return Figure(shape, "white", size, "plain", (1.0, 1.0, 1.0), centre, radius, angle)
