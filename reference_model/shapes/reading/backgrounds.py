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
_SHORTLIST = 8
_FAR = 0.2  # a pixel that differs by this much (of 1, mean of the channels) cannot be background
_NEAR = 0.12
_ROUNDS = 2
_RANK = 1e-9  # functions this much weaker than the strongest cannot be told apart on the pixels that agree
_CENTRES = ((np.arange(IMAGE_SIZE) + 0.5) / (IMAGE_SIZE / 2) - 1).astype(np.float32)


@dataclass(frozen=True)
class Backdrop:
    """The background of one picture: its words, and its pixels, float32 [3, 64, 64] in [0, 1]."""

    colour: str
    style: str
    pixels: Pixels


def find_backgrounds(pictures: Pixels) -> list[Backdrop]:
    """Find the background of each picture, float32 [n, 3, 64, 64] in [0, 1].

    All candidates are compared at an eighth of the resolution, and the best of them at half of it.
    """
    candidates, templates = _templates()
    halves = _halved(pictures)
    eighths = _halved(_halved(halves))
    shortlist = np.argpartition(_distances(eighths[:, None], templates[2]), _SHORTLIST, axis=1)
    shortlist = np.sort(shortlist[:, :_SHORTLIST], axis=1)
    closest = _distances(halves[:, None], templates[1][shortlist]).argmin(axis=1)
    best = shortlist[np.arange(len(pictures)), closest].tolist()
    return [
        _refined(picture, candidates[i], templates[0][i]) for picture, i in zip(pictures, best, strict=True)
    ]


def _distances(pictures: Pixels, templates: Pixels) -> Pixels:
    """Return the mean differences of pixels, each limited to _FAR: [..., 3, h, w] -> [...]."""
    apart = np.abs(pictures - templates)
    differences = (apart[..., 0, :, :] + apart[..., 1, :, :] + apart[..., 2, :, :]) / np.float32(3)
    return np.asarray(np.minimum(differences, np.float32(_FAR)).mean(axis=(-2, -1)))


@lru_cache(maxsize=1)
def _templates() -> tuple[list[Background], tuple[Pixels, Pixels, Pixels]]:
    """Return every kind of background in its nominal colour, and its pixels [k, 3, s, s].

    The three sizes s are 64, 32 and 8.
    """
    angles = {"plain": 1, "shaded": _ANGLES, "checkered": 1}
    candidates = [
        Background(colour, style, rgb, 2 * np.pi * turn / angles[style], swapped)
        for colour, rgb in COLOURS.items()
        for style in BACKGROUND_STYLES
        for turn in range(angles[style])
        for swapped in ((False, True) if style == "checkered" else (False,))
    ]
    pixels = _painted(candidates)
    halves = _halved(pixels)
    return candidates, (pixels, halves, _halved(_halved(halves)))


def _painted(backgrounds: list[Background]) -> Pixels:
    return paint([Scene((), None, background) for background in backgrounds])


def _refined(picture: Pixels, candidate: Background, template: Pixels) -> Backdrop:
    """Fit the tones of the candidate to the pixels that agree with it."""
    basis = _basis(candidate.style, candidate.angle)
    values, fitted = picture.reshape(3, -1), template.reshape(3, -1)
    for _ in range(_ROUNDS):
        near = np.abs(values - fitted).sum(axis=0) < 3 * _NEAR
        if near.sum() < 4 * len(basis):
            break
        # Normal equations: up to four unknowns and thousands of pixels.
        weighted = basis * near
        gram, projected = weighted @ basis.T, weighted @ values.T
        tones = np.linalg.lstsq(gram, projected, rcond=_RANK)[0]
        fitted = np.clip(tones.T @ basis, 0, 1).astype(np.float32)
    return Backdrop(candidate.colour, candidate.style, fitted.reshape(picture.shape))


@lru_cache(maxsize=2 + _ANGLES)
def _basis(style: str, angle: float) -> NDArray[np.float64]:
    """Functions of position whose combinations give every background of a style, [k, 4096]."""
    one = np.ones((IMAGE_SIZE, IMAGE_SIZE), dtype=np.float32)
    if style == "plain":
        functions = [one]
    elif style == "checkered":
        black = Background("black", "checkered", (0.0, 0.0, 0.0), 0.0, False)  # its second tone is lighter
        second = (_painted([black])[0, 0] > 0).astype(np.float32)
        functions = [one, second]
    else:
        x, y = one * _CENTRES, one * _CENTRES[:, None]
        along = np.float32(np.cos(angle)) * x + np.float32(np.sin(angle)) * y
        functions = [one, x, y, np.abs(along)]
    return np.stack([f.ravel() for f in functions]).astype(np.float64)


def _halved(pictures: Pixels) -> Pixels:
    """Average 2 x 2 pixels: [n, 3, 64, 64] -> [n, 3, 32, 32]."""
    n, channels, height, width = pictures.shape
    blocks = pictures.reshape(n, channels, height // 2, 2, width // 2, 2)
    return np.asarray(blocks.mean(axis=(3, 5)), dtype=np.float32)
