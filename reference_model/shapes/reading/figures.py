"""Find the figures of pictures: match the renderer's own shapes to what differs from the background.

One figure, two beside each other and two above each other are tried. Two must explain the picture much better
than one does, since two outlines fit any blob better than one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from reference_model.shapes.reading.outlines import ALONE, PAIRED, Radii, best_outlines, rough_errors
from reference_model.shapes.scenes import IMAGE_SIZE, Figure

__all__ = ["Match", "match_figures"]

Pixels = NDArray[np.float32]

_NOISE, _VISIBLE, _LEAST_PIXELS = 0.08, 0.16, 20
_EDGE = 0.6  # the share of a figure's usual contrast that counts as fully covered
# How many times better than one figure two must fit: clean scenes of one reach 0.5, those of two start at 6.
_HANDICAP = 1.4
# An arrangement whose rough error is this many times the least one is not looked at more closely.
_HOPELESS = 1.6


@dataclass(frozen=True)
class Match:
    """A shape that fits: its outline, a plain white figure.

    ``misfit`` is the squared error that the outline leaves, as a share of the squares of the mask.
    """

    outline: Figure
    misfit: float


@dataclass(frozen=True)
class _Place:
    """Where a figure may lie: its rows and columns of pixels, and its usual centre (x, y)."""

    rows: slice
    columns: slice
    x: int
    y: int


_MIDDLE, _HALF = IMAGE_SIZE // 2, IMAGE_SIZE // 4
_ALL, _FIRST, _SECOND = slice(0, IMAGE_SIZE), slice(0, _MIDDLE), slice(_MIDDLE, IMAGE_SIZE)
_ARRANGEMENTS: tuple[tuple[_Place, ...], ...] = (
    (_Place(_ALL, _ALL, _MIDDLE, _MIDDLE),),
    (_Place(_ALL, _FIRST, _HALF, _MIDDLE), _Place(_ALL, _SECOND, _MIDDLE + _HALF, _MIDDLE)),
    (_Place(_FIRST, _ALL, _MIDDLE, _HALF), _Place(_SECOND, _ALL, _MIDDLE, _MIDDLE + _HALF)),
)


def match_figures(contrasts: Pixels) -> list[list[Match]]:
    """Find one or two figures, or none, in each picture's distances [n, 64, 64] to its background.

    Two figures come in reading order: left before right, upper before lower.
    """
    tried = [_Arrangement(contrasts, places) for places in _ARRANGEMENTS]
    rough = np.array([arrangement.rough for arrangement in tried])
    # Rounding can bring a perfect fit below zero; an error of one pixel is as good as none.
    hopeful = rough <= _HOPELESS * np.maximum(rough.min(axis=0), 1)
    best: list[tuple[float, list[Match]]] = [(np.inf, [])] * len(contrasts)
    for arrangement, wanted in zip(tried, hopeful & np.isfinite(rough), strict=True):
        chosen = np.flatnonzero(wanted)
        found_in = arrangement.matches(chosen) if chosen.size else []
        for picture, found in zip(chosen.tolist(), found_in, strict=True):
            best[picture] = min(best[picture], found, key=lambda item: item[0])
    return [matches for _, matches in best]


class _Arrangement:
    """Pictures taken as one of _ARRANGEMENTS.

    ``rough`` [n] is the squared error that each picture would leave, at half resolution; infinite if nothing
    is to be seen in one of the places.
    """

    def __init__(self, contrasts: Pixels, places: tuple[_Place, ...]) -> None:
        self._places = places
        self._radii: Radii = ALONE if len(places) == 1 else PAIRED
        self._handicap = 1.0 if len(places) == 1 else _HANDICAP
        masks, there = zip(*(_masks(contrasts, place) for place in places), strict=True)
        self._masks = [torch.from_numpy(mask) for mask in masks]
        self._errors = [
            rough_errors(mask, self._radii, place.x, place.y)
            for mask, place in zip(self._masks, places, strict=True)
        ]
        least = self._handicap * sum(errors.amin(dim=1).numpy() for errors in self._errors)
        self.rough = np.where(np.all(there, axis=0), least, np.inf)

    def matches(self, chosen: NDArray[np.intp]) -> list[tuple[float, list[Match]]]:
        """Return the error of each of the chosen pictures at full resolution, and its figures."""
        fits = []
        for place, every, errors in zip(self._places, self._masks, self._errors, strict=True):
            masks = every[chosen]
            least, outlines = best_outlines(masks, errors[chosen], self._radii, place.x, place.y)
            squares = masks.square().sum(dim=(1, 2)).tolist()
            fits.append(
                [
                    (error, Match(outline, error / whole))
                    for error, outline, whole in zip(least, outlines, squares, strict=True)
                ]
            )
        return [
            (self._handicap * sum(error for error, _ in fit), [match for _, match in fit])
            for fit in zip(*fits, strict=True)
        ]


def _masks(contrasts: Pixels, place: _Place) -> tuple[Pixels, NDArray[np.bool_]]:
    """Return the coverage of the pixels [n, 64, 64] by whatever lies in a place, and where something does."""
    there = contrasts[:, place.rows, place.columns]
    ordered = np.sort(there.reshape(len(there), -1), axis=1)
    visible = (ordered > _VISIBLE).sum(axis=1)
    # The median of the visible ones, which are the last in order.
    middles = ordered.shape[1] - visible + np.array([(visible - 1) // 2, visible // 2])
    usual = np.take_along_axis(ordered, middles.clip(0, ordered.shape[1] - 1).T, axis=1).mean(axis=1)
    full = np.maximum(_EDGE * usual, _VISIBLE * _EDGE)[:, None, None]
    masks = np.zeros_like(contrasts)
    masks[:, place.rows, place.columns] = np.clip((there - _NOISE) / (full - _NOISE), 0, 1)
    return masks, visible >= _LEAST_PIXELS
