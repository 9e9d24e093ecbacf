"""Read the colour and the texture of a figure whose outline is known."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from reference_model.shapes.render import paint
from reference_model.shapes.scenes import COLOURS, IMAGE_SIZE, TEXTURES, Background, Figure, Scene

__all__ = ["read_tones"]

Pixels = NDArray[np.float32]

_INSIDE = 0.95  # coverage from which on a pixel shows the figure alone
_CENTRES = (np.arange(IMAGE_SIZE) + 0.5).astype(np.float32)
_MOSTLY_SECOND = 0.6
"""Share of the second tone that no texture reaches; a colour that needs more of it is the wrong one."""
_TURNS = np.array([-8.0, -4.0, 0.0, 4.0, 8.0])  # degrees
_RIDGE = 1e-9  # of an entry on the diagonal; keeps waves apart that coincide on the few pixels inside
_LEAST_SWING = {"striped": 0.25, "dotted": 0.12}
"""Least amplitude of a texture's wave, in units of the difference between a figure's two tones."""


def read_tones(picture: Pixels, outline: Figure, cover: Pixels) -> tuple[str, str]:
    """Return the colour and the texture of a figure.

    Args:
        picture: float32 [3, 64, 64] in [0, 1].
        outline: where the figure lies.
        cover: its share of every pixel, [64, 64].
    """
    inside = cover >= min(_INSIDE, float(cover.max()))
    values = picture[:, inside].T
    colour, second = _colour(values)
    return colour, _texture(second, outline, inside)


def _colour(values: Pixels) -> tuple[str, Pixels]:
    """Return the colour whose two tones and their mixtures lie nearest to pixels [n, 3].

    The share of the second tone in every pixel, [n], comes with it.
    """
    first, way = _palette()
    length = (way**2).sum(axis=1)
    share = (values @ way.T - (first * way).sum(axis=1)) / length
    mixed = np.clip(share, 0, 1)
    # Squares of the distances to the first tones, less what the best mixtures take off them.
    apart = (values**2).sum(axis=1)[:, None] - 2 * values @ first.T + (first**2).sum(axis=1)
    apart += length * mixed * (mixed - 2 * share)
    cost = np.sqrt(np.maximum(apart, 0)).mean(axis=0) + np.maximum(0, mixed.mean(axis=0) - _MOSTLY_SECOND)
    best = int(cost.argmin())
    return list(COLOURS)[best], share[:, best]


def _texture(second: Pixels, outline: Figure, inside: NDArray[np.bool_]) -> str:
    """Fit the waves of each texture, at any phase, to the second tone's share of the pixels inside.

    All turns are tried, since a round outline does not show its own.
    """
    rows, columns = np.nonzero(inside)
    dx, dy = _CENTRES[columns] - outline.centre[0], _CENTRES[rows] - outline.centre[1]
    turns = np.deg2rad(_TURNS)[:, None]
    cosine, sine = np.cos(turns).astype(np.float32), np.sin(turns).astype(np.float32)
    u, v = cosine * dx + sine * dy, cosine * dy - sine * dx
    best, texture = 0.0, TEXTURES[0]
    for name, phases in _phases(u, v, outline.radius).items():
        angles = [np.float32(2 * np.pi) * phase for phase in phases]
        waves = [wave(angle) for angle in angles for wave in (np.cos, np.sin)]
        basis = np.stack([np.ones_like(u), *waves], axis=1).astype(np.float64)
        # Normal equations: a few unknowns and a thousand pixels.
        gram, projected = basis @ basis.transpose(0, 2, 1), basis @ second
        gram = gram + _RIDGE * second.size * np.eye(gram.shape[1])
        weights = np.linalg.solve(gram, projected[:, :, None])[:, :, 0]
        explained = (weights * projected).sum(axis=1) / second.size - (
            (gram[:, 0] * weights).sum(axis=1) / second.size
        ) ** 2
        swings = np.hypot(weights[:, 1::2], weights[:, 2::2]).min(axis=1)
        most = float(np.where(swings > _LEAST_SWING[name], explained, 0.0).max())
        if most > best:
            best, texture = most, name
    return texture


def _phases(u: Pixels, v: Pixels, radius: float) -> dict[str, list[Pixels]]:
    """Positions (u, v) along a figure's axes, in periods of each texture's waves."""
    striped, dotted = (
        np.float32(np.clip(share * radius, low, high))
        for share, low, high in ((0.42, 5.0, 8.0), (0.46, 5.5, 9.0))
    )
    return {"striped": [(u + v) * np.float32(np.sqrt(0.5)) / striped], "dotted": [u / dotted, v / dotted]}


@lru_cache(maxsize=1)
def _palette() -> tuple[Pixels, Pixels]:
    """Every colour's first tone and the way to its second one, [10, 3] each."""
    first = np.array(list(COLOURS.values()), dtype=np.float32)
    nothing = Background("black", "plain", (0.0, 0.0, 0.0), 0.0, False)
    striped = [
        Figure("square", name, "large", "striped", rgb, (32.0, 32.0), 20.0, 0.0)
        for name, rgb in COLOURS.items()
    ]
    squares = paint([Scene((figure,), None, nothing) for figure in striped])
    farthest = (
        np.abs(squares[:, :, 20:44, 20:44] - first[:, :, None, None]).sum(axis=1).reshape(len(first), -1)
    )
    places = farthest.argmax(axis=1)
    second = squares[:, :, 20:44, 20:44].reshape(len(first), 3, -1)[np.arange(len(first)), :, places]
    return first, np.asarray(second - first, dtype=np.float32)
