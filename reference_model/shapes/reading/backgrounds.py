"""Find the background of a picture: its colour, its style, and what every pixel would be without figures.

Figures cover at most 40% of a scene, so the background that most pixels agree with is the right one.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from reference_model.shapes.render import paint
from reference_model.shapes.scenes import BACKGROUND_STYLES, COLOURS, IMAGE_SIZE, Background, Scene

__all__ = ["Backdrop", "find_backgrounds"]

Pixels = NDArray[np.float32]

_ANGLES = 16
_CHUNK = 8
_FAR = 0.2  # a pixel that differs by this much (of 1, mean of the channels) cannot be background
_NEAR = 0.12
_ROUNDS = 2
_CENTRES = ((np.arange(IMAGE_SIZE) + 0.5) / (IMAGE_SIZE / 2) - 1).astype(np.float32)


@dataclass(frozen=True)
class Backdrop:
    """The background of one picture: its words, and its pixels, float32 [3, 64, 64] in [0, 1]."""

    colour: str
    style: str
    pixels: Pixels


def find_backgrounds(pictures: Pixels) -> list[Backdrop]:
    """Find the background of each picture, float32 [n, 3, 64, 64] in [0, 1]."""
    candidates, templates = _templates()
    small = _halved(pictures)
    best: list[int] = []
    for start in range(0, len(small), _CHUNK):
        difference = np.abs(small[start : start + _CHUNK, None] - templates).mean(axis=2)
        best += np.minimum(difference, _FAR).mean(axis=(2, 3)).argmin(axis=1).tolist()
    return [_refined(picture, candidates[i]) for picture, i in zip(pictures, best, strict=True)]


@lru_cache(maxsize=1)
def _templates() -> tuple[list[Background], Pixels]:
    """Every kind of background in its nominal colour, and its pixels at half size, [k, 3, 32, 32]."""
    angles = {"plain": 1, "shaded": _ANGLES, "checkered": 1}
    candidates = [
        Background(colour, style, rgb, 2 * np.pi * turn / angles[style], swapped)
        for colour, rgb in COLOURS.items()
        for style in BACKGROUND_STYLES
        for turn in range(angles[style])
        for swapped in ((False, True) if style == "checkered" else (False,))
    ]
    return candidates, _halved(_painted(candidates))


def _painted(backgrounds: list[Background]) -> Pixels:
    return paint([Scene((), None, background) for background in backgrounds])


def _refined(picture: Pixels, candidate: Background) -> Backdrop:
    """Fit the tones of the candidate to the pixels that agree with it."""
    basis = _basis(candidate)
    values = picture.reshape(3, -1).T
    fitted = _painted([candidate])[0].reshape(3, -1).T
    for _ in range(_ROUNDS):
        near = np.abs(values - fitted).mean(axis=1) < _NEAR
        if near.sum() < 4 * basis.shape[1]:
            break
        tones = np.linalg.lstsq(basis[near], values[near], rcond=None)[0]
        fitted = np.clip(basis @ tones, 0, 1)
    return Backdrop(candidate.colour, candidate.style, fitted.T.reshape(picture.shape))


def _basis(candidate: Background) -> Pixels:
    """Functions of position whose combinations give every background of the candidate's style, [4096, k]."""
    one = np.ones((IMAGE_SIZE, IMAGE_SIZE), dtype=np.float32)
    if candidate.style == "plain":
        functions = [one]
    elif candidate.style == "checkered":
        black = Background("black", "checkered", (0.0, 0.0, 0.0), 0.0, False)  # its second tone is lighter
        second = (_painted([black])[0, 0] > 0).astype(np.float32)
        functions = [one, second]
    else:
        x, y = one * _CENTRES, one * _CENTRES[:, None]
        along = np.float32(np.cos(candidate.angle)) * x + np.float32(np.sin(candidate.angle)) * y
        functions = [one, x, y, np.abs(along)]
    return np.stack([f.ravel() for f in functions], axis=1)


def _halved(pictures: Pixels) -> Pixels:
    """Average 2 x 2 pixels: [n, 3, 64, 64] -> [n, 3, 32, 32]."""
    n, channels, height, width = pictures.shape
    blocks = pictures.reshape(n, channels, height // 2, 2, width // 2, 2)
    return np.asarray(blocks.mean(axis=(3, 5)), dtype=np.float32)
