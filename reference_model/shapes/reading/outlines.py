"""The renderer's outlines as templates: which one fits a mask best, and where.

All outlines are compared at half resolution first, and only the best of them at full resolution.
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

__all__ = ["ALONE", "PAIRED", "Radii", "best_outlines", "coverage", "rough_errors"]

Pixels = NDArray[np.float32]
Radii = tuple[tuple[str, float], ...]
"""Radii in pixels as (size, radius)."""

ALONE: Radii = (("large", 19.6), ("large", 20.9), ("small", 11.9), ("small", 12.6))
PAIRED: Radii = (("large", 13.9), ("large", 14.4), ("small", 9.0), ("small", 9.5))
"""Those of a figure that has the picture to itself, and of one of two."""

_TURNS = (-8.0, -4.0, 0.0, 4.0, 8.0)  # degrees
_ROUND = ("circle", "ring")
_REACH = 8  # how far from the middle of its place the centre of a figure may lie, in pixels
_CANDIDATES = 12  # outlines that are compared at full resolution
_BLACK = Background("black", "plain", (0.0, 0.0, 0.0), 0.0, False)


def coverage(outlines: list[Figure]) -> Pixels:
    """Return the share of every pixel that each outline, a plain white figure, covers: [n, 64, 64]."""
    white_on_black = paint([Scene((outline,), None, _BLACK) for outline in outlines])
    return np.asarray(white_on_black[:, 0])


def rough_errors(masks: Tensor, radii: Radii, x: int, y: int) -> Tensor:
    """Return the least squared error of each outline near (x, y), at half resolution.

    Args:
        masks: Coverages of pixels [m, 64, 64].
        radii: Those of the outlines.
        x: The usual column of a centre, in pixels.
        y: The usual row.

    Returns:
        Errors [m, k] of k outlines, in units of full-size pixels.
    """
    bank, halves = _bank(radii, 2), _halved(masks)
    rows, columns = _inverse(IMAGE_SIZE // 2, x // 2, y // 2, _REACH // 2)
    # Row by row first: a product with all spectra at once would be many times as large as what is kept of it.
    turned = (rows[:, :, None] * torch.fft.rfft2(halves)[:, None]).permute(3, 0, 1, 2)
    lines = torch.bmm(turned.flatten(1, 2), bank.spectra.permute(2, 1, 0))
    overlap = (columns.T @ lines.flatten(1)).real.view(len(rows), len(masks), len(rows), -1)
    return 4 * (halves.square().sum(dim=(1, 2))[:, None] + bank.energies - 2 * overlap.amax(dim=(0, 2)))


def best_outlines(
    masks: Tensor, rough: Tensor, radii: Radii, x: int, y: int
) -> tuple[list[float], list[Figure]]:
    """Return the least squared error [m] of an outline near (x, y) on each mask, and that outline.

    ``rough`` [m, k] are the masks' ``rough_errors``; the other arguments are those of that function.
    """
    bank = _bank(radii, 1)
    candidates = rough.topk(_CANDIDATES, dim=1, largest=False).indices
    rows, columns = _inverse(IMAGE_SIZE, x, y, _REACH)
    spectra = torch.fft.rfft2(masks).transpose(0, 1)[:, :, None]
    product = bank.spectra.transpose(0, 1)[:, candidates] * spectra
    lines = (rows @ product.flatten(1)).view(-1, product.shape[3])
    overlap = (lines @ columns).real.reshape(len(rows), *candidates.shape, len(rows))
    near = overlap.permute(1, 2, 0, 3).flatten(2)
    most, places = near.max(dim=2)
    errors = masks.square().sum(dim=(1, 2))[:, None] + bank.energies[candidates] - 2 * most
    least, chosen = errors.min(dim=1)
    figures = candidates.gather(1, chosen[:, None])[:, 0].tolist()
    outlines = []
    for figure, place in zip(figures, places.gather(1, chosen[:, None])[:, 0].tolist(), strict=True):
        down, right = divmod(place, len(rows))
        centre = (float(x - _REACH + right), float(y - _REACH + down))
        like = bank.figures[figure]
        outlines.append(_outline(like.shape, like.size, centre, like.radius, like.angle))
    return least.tolist(), outlines


@dataclass(frozen=True)
class _Bank:
    """k outlines around the corner (0, 0) of s x s pixels: transforms [k, s, s / 2 + 1], energies [k]."""

    figures: list[Figure]
    spectra: Tensor
    energies: Tensor


@lru_cache(maxsize=4)
def _bank(radii: Radii, step: int) -> _Bank:
    """Return the outlines of these radii, at half resolution if ``step`` is 2."""
    middle = (IMAGE_SIZE / 2, IMAGE_SIZE / 2)
    figures = [
        _outline(shape, size, middle, radius, float(np.deg2rad(turn)))
        for shape in SHAPES
        for size, radius in radii
        for turn in ((0.0,) if shape in _ROUND else _TURNS)
    ]
    pixels = torch.from_numpy(coverage(figures))
    pixels = pixels if step == 1 else _halved(pixels)
    corner = -IMAGE_SIZE // 2 // step
    spectra = torch.fft.rfft2(pixels.roll((corner, corner), dims=(1, 2))).conj().resolve_conj()
    return _Bank(figures, spectra, pixels.square().sum(dim=(1, 2)))


@lru_cache(maxsize=16)
def _inverse(size: int, x: int, y: int, reach: int) -> tuple[Tensor, Tensor]:
    """Return the inverse Fourier transform at the m x m places around (x, y) alone.

    A whole transform, of which the rest is thrown away, takes several times as long.

    Returns:
        Matrices [m, size] for rows and [size / 2 + 1, m] for columns.
    """
    near, rows, columns = torch.arange(-reach, reach + 1), torch.arange(size), torch.arange(size // 2 + 1)
    # A real picture's transform has its other half mirrored: all columns but the first and last count twice.
    twice = torch.where((columns > 0) & (columns < size // 2), 2.0, 1.0) / size**2
    turn = 2j * np.pi / size
    return (
        torch.exp(turn * (y + near)[:, None] * rows[None]).to(torch.complex64),
        (twice[:, None] * torch.exp(turn * columns[:, None] * (x + near)[None])).to(torch.complex64),
    )


def _halved(pixels: Tensor) -> Tensor:
    """Average 2 x 2 pixels: [n, 64, 64] -> [n, 32, 32]."""
    return torch.nn.functional.avg_pool2d(pixels[:, None], 2)[:, 0]


def _outline(shape: str, size: str, centre: tuple[float, float], radius: float, angle: float) -> Figure:
    return Figure(shape, "white", size, "plain", (1.0, 1.0, 1.0), centre, radius, angle)
