"""Scenes of one or two shapes: what is in a picture, drawn from counter-based random streams.

Scene i of a stream depends on (seed, stream name, i) alone: every scene reads a fixed number of
uniforms from a Philox generator whose counter is the scene's index, so whole blocks are drawn at
once and no block size or starting point changes a scene.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "BACKGROUND_STYLES",
    "COLOURS",
    "IMAGE_SIZE",
    "RELATIONS",
    "RELATION_OF",
    "SHAPES",
    "SIZES",
    "TEXTURES",
    "Background",
    "Figure",
    "Scene",
    "resized",
    "sample_scenes",
    "uniforms",
]

Rgb = tuple[float, float, float]
Floats = NDArray[np.float64]

IMAGE_SIZE = 64
SHAPES = ("circle", "square", "triangle", "star", "cross", "ring", "moon", "diamond")
SIZES = ("large", "small")
TEXTURES = ("plain", "striped", "dotted")
BACKGROUND_STYLES = ("plain", "shaded", "checkered")
# Each relation with the unit step (x to the right, y downwards) from the centre to the first figure.
RELATIONS: dict[str, tuple[int, int]] = {
    "above": (0, -1),
    "below": (0, 1),
    "left of": (-1, 0),
    "right of": (1, 0),
}
RELATION_OF: dict[tuple[int, int], str] = {step: relation for relation, step in RELATIONS.items()}
# Red, green, blue in [0, 1].
COLOURS: dict[str, Rgb] = {
    "red": (0.86, 0.12, 0.14),
    "orange": (0.98, 0.55, 0.06),
    "yellow": (0.98, 0.88, 0.16),
    "green": (0.14, 0.62, 0.24),
    "blue": (0.13, 0.30, 0.86),
    "purple": (0.52, 0.16, 0.68),
    "pink": (0.98, 0.60, 0.78),
    "brown": (0.45, 0.27, 0.12),
    "black": (0.07, 0.07, 0.08),
    "white": (0.96, 0.96, 0.96),
}

_COLOUR_NAMES = tuple(COLOURS)
_RELATION_NAMES = tuple(RELATIONS)
_COLOUR_VALUES = np.array(list(COLOURS.values()))
_STEPS = np.array(list(RELATIONS.values()), dtype=np.float64)

# Radius in pixels as (least, range), for [one figure, two figures] x [large, small]. Two figures share the
# picture by halves, so both sizes shrink together there and "large" stays visibly larger than "small".
_RADII = np.array([[[19.0, 2.5], [11.5, 1.5]], [[13.6, 1.1], [8.8, 0.9]]])
_COLOUR_JITTER = 0.03
_ANGLE_JITTER = np.deg2rad(10.0)
_PLACE_JITTER = 5.0
_MARGIN = 0.6

# Uniforms that a scene may read; a multiple of four, because a Philox step yields four numbers.
_WIDTH = 64


@dataclass(frozen=True)
class Figure:
    """One shape: its words, and where and how it is drawn (pixels, y downwards; radians; rgb in [0, 1])."""

    shape: str
    colour: str
    size: str
    texture: str
    rgb: Rgb
    centre: tuple[float, float]
    radius: float
    angle: float


@dataclass(frozen=True)
class Background:
    """What lies behind the figures: `angle` (radians) points to a shaded background's dark side, and
    `swapped` exchanges the two tones of a checkered one."""

    colour: str
    style: str
    rgb: Rgb
    angle: float
    swapped: bool


@dataclass(frozen=True)
class Scene:
    """One or two figures; `relation` says where the first lies as seen from the second (None for one)."""

    figures: tuple[Figure, ...]
    relation: str | None
    background: Background


def uniforms(seed: int, stream: str, start: int, count: int, width: int) -> Floats:
    """Draw [count, width] uniforms in [0, 1); row i depends on (seed, stream, start + i) alone.

    `width` is a multiple of four and has to be the same in all calls for a stream. Raises ValueError for
    negative numbers or another width.
    """
    if seed < 0 or start < 0 or count < 0:
        raise ValueError(f"seed, start and count must not be negative, got {seed}, {start} and {count}")
    if width <= 0 or width % 4:
        raise ValueError(f"the width of a stream must be a positive multiple of 4, got {width}")
    digest = int.from_bytes(hashlib.sha256(stream.encode()).digest()[:16], "little")
    key = np.random.SeedSequence([seed, digest]).generate_state(2, np.uint64)
    generator = np.random.Generator(np.random.Philox(key=key, counter=start * (width // 4)))
    return generator.random((count, width))


def sample_scenes(seed: int, stream: str, start: int, count: int) -> list[Scene]:
    """Draw the scenes start .. start + count - 1 of the stream.

    Figures and background have three different colours, two figures have two different shapes, and half of
    all scenes have two figures, each in its own half of the picture.
    """
    draws = _Draws(uniforms(seed, stream, start, count, _WIDTH))
    pair = draws.below(2)
    relation = draws.below(len(RELATIONS))
    colours = draws.distinct(len(COLOURS), 3)
    shapes = draws.distinct(len(SHAPES), 2)
    step = _STEPS[relation] * pair[:, None]
    figures = [
        _figures(draws, pair, step, shapes[:, 0], colours[:, 0]),
        _figures(draws, pair, -step, shapes[:, 1], colours[:, 1]),
    ]
    backgrounds = _backgrounds(draws, colours[:, 2])
    return [
        Scene((first, second), _RELATION_NAMES[r], background) if two else Scene((first,), None, background)
        for first, second, r, two, background in zip(*figures, relation, pair, backgrounds, strict=True)
    ]


def resized(scene: Scene, which: int) -> Scene:
    """Give figure ``which`` the other size, and move it if it would leave its part of the picture."""
    figures = list(scene.figures)
    figure, pair = figures[which], len(figures) - 1
    old = SIZES.index(figure.size)
    (least, extent), (new_least, new_extent) = _RADII[pair, old], _RADII[pair, 1 - old]
    radius = new_least + new_extent * (figure.radius - least) / extent
    step = np.array(RELATIONS[scene.relation] if scene.relation else (0, 0)) * (1 - 2 * which)
    middle, half = IMAGE_SIZE / 2 * (1 + step / 2), IMAGE_SIZE / 2 * (1 - np.abs(step) / 2)
    room = half - _MARGIN - radius
    x, y = np.clip(figure.centre, middle - room, middle + room).tolist()
    figures[which] = replace(figure, size=SIZES[1 - old], radius=float(radius), centre=(x, y))
    return replace(scene, figures=tuple(figures))


class _Draws:
    """Hands out the columns of a block of uniforms, one random quantity after the other."""

    def __init__(self, values: Floats) -> None:
        self._values = values
        self._next = 0

    def take(self, width: int) -> Floats:
        """Return the next `width` columns, [count, width]."""
        self._next += width
        if self._next > self._values.shape[1]:
            raise ValueError("a scene reads more random numbers than its stream holds: widen the stream")
        return self._values[:, self._next - width : self._next]

    def below(self, bound: int) -> NDArray[np.int64]:
        """Return integers in [0, bound), [count]."""
        return (self.take(1)[:, 0] * bound).astype(np.int64)

    def distinct(self, bound: int, width: int) -> NDArray[np.int64]:
        """Return `width` different integers in [0, bound) per row, [count, width]."""
        return np.argsort(self.take(bound), axis=1)[:, :width]

    def style(self) -> NDArray[np.int64]:
        """Return 0 (plain) for half of the rows and 1 or 2 for a quarter each, [count]."""
        return np.maximum(self.below(4) - 1, 0)

    def spread(self, width: int) -> Floats:
        """Return numbers in [-1, 1), [count, width]."""
        return self.take(width) * 2 - 1


def _jittered(draws: _Draws, colour: NDArray[np.int64]) -> list[Rgb]:
    values = _COLOUR_VALUES[colour] + _COLOUR_JITTER * draws.spread(3)
    return [(r, g, b) for r, g, b in np.clip(values, 0, 1).tolist()]


def _figures(
    draws: _Draws, pair: NDArray[np.int64], step: Floats, shape: NDArray[np.int64], colour: NDArray[np.int64]
) -> list[Figure]:
    """Place one figure per scene; `step` [count, 2] names its half of the picture (zero: the whole)."""
    size, texture = draws.below(2), draws.style()
    least, extent = _RADII[pair, size].T
    radius = least + extent * draws.take(1)[:, 0]
    half = IMAGE_SIZE / 2
    room = np.minimum(_PLACE_JITTER, half - _MARGIN - radius)
    # Along the relation's axis a figure has half a picture, so it cannot cross the middle.
    room_in_half = np.minimum(_PLACE_JITTER, half / 2 - _MARGIN - radius)
    along = np.abs(step)
    reach = np.where(along > 0, room_in_half[:, None], room[:, None])
    centre = half + step * half / 2 + reach * draws.spread(2)
    angle = _ANGLE_JITTER * draws.spread(1)[:, 0]
    numbers = zip(centre.tolist(), radius.tolist(), angle.tolist(), strict=True)
    words = zip(shape, colour, size, texture, strict=True)
    return [
        Figure(SHAPES[s], _COLOUR_NAMES[c], SIZES[z], TEXTURES[t], rgb, (x, y), r, a)
        for (s, c, z, t), rgb, ((x, y), r, a) in zip(words, _jittered(draws, colour), numbers, strict=True)
    ]


def _backgrounds(draws: _Draws, colour: NDArray[np.int64]) -> list[Background]:
    style, rgb = draws.style(), _jittered(draws, colour)
    angle, swapped = np.pi * draws.spread(1)[:, 0], draws.below(2)
    return [
        Background(_COLOUR_NAMES[c], BACKGROUND_STYLES[s], tone, a, bool(w))
        for c, s, tone, a, w in zip(colour, style, rgb, angle.tolist(), swapped, strict=True)
    ]
