"""Scenes to pixels: antialiased shapes by signed distances, whole blocks at once, and the wear of the web.

Pictures are float32 [n, 3, 64, 64] in [0, 1] inside this module and uint8 [n, 64, 64, 3] outside.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from reference_model.shapes.scenes import IMAGE_SIZE, SHAPES, Background, Figure, Scene

__all__ = ["add_watermark", "degrade", "paint", "to_uint8"]

Pixels = NDArray[np.float32]

_INDEX = np.arange(IMAGE_SIZE, dtype=np.float32)
_CENTRES = _INDEX + np.float32(0.5)
_LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)
_CELL = 8
_ACCENT = 0.55
# Colours whose second tone is darker; the others get a lighter one. Chosen so that no second tone comes close
# to another colour: stripes of a lighter red would be pink, of a darker orange brown. Red backgrounds do get
# a lighter tone, faint enough not to be pink: on a darker one, brown and black would be hard to see.
_DARKENED_FIGURES = ("red", "yellow", "pink", "white")
_DARKENED_BACKGROUNDS = ("yellow", "pink", "white")
_SHADE = 0.38
_CHECKER = 0.34
_MAX_BLUR = 2.4
_BAND_HEIGHT = 10


def paint(scenes: Sequence[Scene]) -> Pixels:
    """Draw the scenes cleanly: float32 [n, 3, 64, 64] in [0, 1]."""
    canvas = _backdrops([scene.background for scene in scenes])
    # The figures of a scene neither overlap nor share a shape, so drawing them grouped by shape is safe.
    drawn = [(i, figure) for i, scene in enumerate(scenes) for figure in scene.figures]
    for shape in SHAPES:
        group = [(i, figure) for i, figure in drawn if figure.shape == shape]
        if group:
            _draw(canvas, [i for i, _ in group], [figure for _, figure in group], _DISTANCES[shape])
    return canvas


def degrade(pictures: Pixels, quality: NDArray[np.float32]) -> Pixels:
    """Make pictures [n, 3, 64, 64] as dull and blurred as their quality [n] in [0, 1] is low (1: unchanged).

    Colours move towards mid-grey and a Gaussian blur of up to 2.4 pixels (standard deviation) is applied.
    """
    lack = ((1 - quality) ** 1.5).astype(np.float32)
    blur = _blur_matrices(_MAX_BLUR * lack)[:, None]
    blurred = blur @ pictures @ blur.transpose(0, 1, 3, 2)
    dullness = lack[:, None, None, None]
    grey = np.einsum("c,nchw->nhw", _LUMA, blurred)[:, None] * np.float32(0.6) + np.float32(0.2)
    return np.asarray(blurred + (np.float32(0.75) * dullness) * (grey - blurred), dtype=np.float32)


def add_watermark(pictures: Pixels, top: NDArray[np.int64]) -> Pixels:
    """Lay a translucent light band with dark dashes over pictures [n, 3, 64, 64], from row `top` [n] on."""
    row = _INDEX[None, :] - top[:, None]
    band = ((row >= 0) & (row < _BAND_HEIGHT)).astype(np.float32)[:, None, :, None]
    dashes = ((row >= 3) & (row < _BAND_HEIGHT - 3)).astype(np.float32)[:, None, :, None]
    dashes = dashes * ((_INDEX + 1) % 9 < 6).astype(np.float32)
    marked = pictures + np.float32(0.65) * band * (np.float32(0.93) - pictures)
    return np.asarray(marked + np.float32(0.85) * dashes * (np.float32(0.2) - marked), dtype=np.float32)


def to_uint8(pictures: Pixels) -> NDArray[np.uint8]:
    """Round pictures [n, 3, 64, 64] in [0, 1] to uint8 [n, 64, 64, 3]."""
    levels = (np.clip(pictures, 0, 1) * 255 + 0.5).astype(np.uint8)
    return np.ascontiguousarray(levels.transpose(0, 2, 3, 1))


def _accent(colours: Sequence[str], darkened: Sequence[str], rgb: Pixels) -> Pixels:
    """Return the way from rgb [n, 3] to black for the darkened ones of the named colours, else to white."""
    target = np.array([0.0 if colour in darkened else 1.0 for colour in colours], dtype=np.float32)
    return np.asarray(target.reshape(-1, 1) - rgb, dtype=np.float32)


def _backdrops(backgrounds: Sequence[Background]) -> Pixels:
    rgb = np.array([b.rgb for b in backgrounds], dtype=np.float32).reshape(-1, 3)
    canvas = np.empty((len(backgrounds), 3, IMAGE_SIZE, IMAGE_SIZE), dtype=np.float32)
    canvas[:] = rgb[:, :, None, None]
    accent = _accent([b.colour for b in backgrounds], _DARKENED_BACKGROUNDS, rgb)
    for i, background in enumerate(backgrounds):
        if background.style == "checkered":
            odd = (_INDEX[:, None] // _CELL + _INDEX // _CELL + background.swapped) % 2
            canvas[i] += np.float32(_CHECKER) * accent[i][:, None, None] * odd
        elif background.style == "shaded":
            x, y = np.float32(np.cos(background.angle)), np.float32(np.sin(background.angle))
            half = np.float32(IMAGE_SIZE / 2)
            along = (x * (_CENTRES - half) + y * (_CENTRES[:, None] - half)) / (half * (abs(x) + abs(y)))
            light, dark = np.maximum(-along, 0), np.maximum(along, 0)
            canvas[i] += np.float32(_SHADE) * (light * (1 - canvas[i]) - dark * canvas[i])
    return canvas


def _draw(canvas: Pixels, index: list[int], figures: list[Figure], distance: Callable[..., Pixels]) -> None:
    """Blend figures of one shape into the pictures canvas[index]."""
    numbers = np.array([(*f.centre, f.radius, f.angle) for f in figures], dtype=np.float32)
    x0, y0, radius, angle = (column[:, None, None] for column in numbers.T)
    cosine, sine = np.cos(angle), np.sin(angle)
    dx, dy = _CENTRES - x0, _CENTRES[:, None] - y0
    u, v = cosine * dx + sine * dy, cosine * dy - sine * dx
    # Coverage of a pixel by an edge at signed distance d (pixels, negative inside) is close to 1/2 - d.
    cover = np.clip(np.float32(0.5) - radius * distance(u / radius, v / radius), 0, 1)[:, None]
    rgb = np.array([f.rgb for f in figures], dtype=np.float32)
    tone: Pixels = rgb[:, :, None, None]
    textured = [i for i, f in enumerate(figures) if f.texture != "plain"]
    if textured:
        second = np.zeros_like(cover)
        for name, texture in _TEXTURES.items():
            rows = [i for i in textured if figures[i].texture == name]
            second[rows, 0] = texture(u[rows], v[rows], radius[rows])
        accent = _accent([f.colour for f in figures], _DARKENED_FIGURES, rgb)
        tone = tone + second * (np.float32(_ACCENT) * accent)[:, :, None, None]
    below = canvas[index]
    canvas[index] = below + cover * (tone - below)


def _stripes(u: Pixels, v: Pixels, radius: Pixels) -> Pixels:
    """Diagonal stripes: 1 where the second tone lies; u, v, radius in pixels."""
    period = np.clip(np.float32(0.42) * radius, 5.0, 8.0)
    phase = (u + v) * np.float32(np.sqrt(0.5)) / period
    off = np.abs(phase - np.floor(phase) - np.float32(0.5)) * period
    return np.asarray(np.clip(np.float32(0.23) * period - off + np.float32(0.5), 0, 1), dtype=np.float32)


def _dots(u: Pixels, v: Pixels, radius: Pixels) -> Pixels:
    """A square lattice of dots: 1 where the second tone lies; u, v, radius in pixels."""
    period = np.clip(np.float32(0.46) * radius, 5.5, 9.0)
    a, b = u / period, v / period
    off = np.hypot(a - np.round(a), b - np.round(b)) * period
    return np.asarray(np.clip(np.float32(0.3) * period - off + np.float32(0.5), 0, 1), dtype=np.float32)


_TEXTURES: dict[str, Callable[[Pixels, Pixels, Pixels], Pixels]] = {"striped": _stripes, "dotted": _dots}


def _circle(u: Pixels, v: Pixels) -> Pixels:
    return np.sqrt(u * u + v * v) - np.float32(0.96)


def _square(u: Pixels, v: Pixels) -> Pixels:
    return np.maximum(np.abs(u), np.abs(v)) - np.float32(0.85)


def _triangle(u: Pixels, v: Pixels) -> Pixels:
    # Equilateral, apex up, inscribed radius 0.57; shifted down so that the bounding box is centred.
    v = v - np.float32(0.28)
    sloped = np.float32(np.sqrt(0.75)) * np.abs(u) - np.float32(0.5) * v
    return np.maximum(v, sloped) - np.float32(0.57)


def _star(u: Pixels, v: Pixels) -> Pixels:
    # Mirrors at 36 degrees fold all five points onto half of the upper one, which lies below a single line.
    sine, cosine = np.float32(np.sin(np.pi / 5)), np.float32(np.cos(np.pi / 5))
    u, v = np.abs(u), np.float32(0.1) - v
    for across in (cosine, -cosine):
        beyond = np.maximum(across * u - sine * v, 0) * np.float32(2)
        u, v = u - across * beyond, v + sine * beyond
    u = np.abs(u)
    tip, inner = np.float32(1.05), np.float32(0.48)
    # The line runs from the tip (0, tip) to the notch inner * (sin 36, cos 36).
    nx, ny = tip - inner * cosine, inner * sine
    return np.asarray((nx * u + ny * (v - tip)) / np.hypot(nx, ny), dtype=np.float32)


def _cross(u: Pixels, v: Pixels) -> Pixels:
    u, v = np.abs(u), np.abs(v)
    return np.maximum(np.maximum(u, v) - np.float32(0.96), np.minimum(u, v) - np.float32(0.32))


def _ring(u: Pixels, v: Pixels) -> Pixels:
    return np.abs(np.sqrt(u * u + v * v) - np.float32(0.73)) - np.float32(0.26)


def _moon(u: Pixels, v: Pixels) -> Pixels:
    # A disc less a disc: the crescent opens to the right; shifted so that it stands in the middle.
    u = u - np.float32(0.2)
    disc = np.sqrt(u * u + v * v) - np.float32(1)
    w = u - np.float32(0.58)
    bite = np.sqrt(w * w + v * v) - np.float32(0.86)
    return np.asarray(np.maximum(disc, -bite), dtype=np.float32)


def _diamond(u: Pixels, v: Pixels) -> Pixels:
    # |u| / 0.68 + |v| / 1.0 = 1, scaled to unit gradient.
    scale = np.float32(1 / np.hypot(1 / 0.68, 1))
    return np.asarray((np.abs(u) / np.float32(0.68) + np.abs(v) - np.float32(1)) * scale, dtype=np.float32)


# Signed distance (negative inside) in units of the radius, v downwards; exact near edges is enough here.
_DISTANCES: dict[str, Callable[[Pixels, Pixels], Pixels]] = {
    "circle": _circle,
    "square": _square,
    "triangle": _triangle,
    "star": _star,
    "cross": _cross,
    "ring": _ring,
    "moon": _moon,
    "diamond": _diamond,
}


def _blur_matrices(sigma: Pixels) -> Pixels:
    """Return [n, 64, 64] matrices that blur along an axis; rows sum to one, so edges do not darken."""
    # At a vanishing sigma the weights off the diagonal underflow to zero: the identity.
    narrow = np.maximum(sigma, np.float32(0.05))[:, None, None]
    weights = np.exp(-(((_INDEX[:, None] - _INDEX) / narrow) ** 2) / 2)
    return np.asarray(weights / weights.sum(axis=2, keepdims=True), dtype=np.float32)
