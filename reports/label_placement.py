"""Places small labels at many points so that they cover neither each other nor the curves.

Each label takes the best of the places round its point; a few more rounds let each choose again with all
others in place (coordinate descent). Deterministic; 32 labels take milliseconds.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["place_labels"]

Array = NDArray[np.float64]

_DIRECTIONS = 16
_RINGS = (0.0, 5.0, 11.0, 18.0, 26.0)
_ROUNDS = 8

# The cost of each collision, in pixels of distance between a label and its point.
_ON_LABEL = 400.0
_ON_MARKER = 120.0
_NEARER_ELSEWHERE = 40.0
_ON_LINE = 4.0
_OUTSIDE = 4000.0


def place_labels(
    points: Array, sizes: Array, lines: Array, faint_lines: Array, bounds: Array, gap: float
) -> Array:
    """Return the centres [m, 2] of m labels; all lengths are in pixels.

    Args:
        points: The points [m, 2] that the labels belong to.
        sizes: Width and height [m, 2] of the labels.
        lines: Segments [k, 2, 2] to keep clear of if possible.
        faint_lines: Segments [l, 2, 2] whose crossings cost a quarter.
        bounds: The frame (left, bottom, right, top) that labels must stay in.
        gap: Radius of a marker with its margin.
    """
    dots, faint_dots = _dots(lines), _dots(faint_lines)
    candidates = _candidates(points, sizes, gap)
    fixed = np.repeat(np.asarray(_RINGS), _DIRECTIONS) + np.stack(
        [
            _marker_cost(places, size, points, own, gap)
            + _line_cost(places, size, dots)
            + _line_cost(places, size, faint_dots) / 4
            + _frame_cost(places, size, bounds)
            for own, (places, size) in enumerate(zip(candidates, sizes, strict=True))
        ]
    )
    chosen = np.full(len(points), -1)
    # Labels with the least room choose first.
    order = np.argsort(-fixed.min(axis=1), kind="stable")
    for _ in range(_ROUNDS):
        before = chosen.copy()
        for i in order:
            others = np.flatnonzero((chosen >= 0) & (np.arange(len(points)) != i))
            centres = candidates[others, chosen[others]]
            overlaps = _overlaps(candidates[i], sizes[i] + 2, centres, sizes[others])
            chosen[i] = np.argmin(fixed[i] + _ON_LABEL * overlaps)
        if (chosen == before).all():
            break
    return np.asarray(candidates[np.arange(len(points)), chosen])


def _candidates(points: Array, sizes: Array, gap: float) -> Array:
    """Return label centres [m, rings * directions, 2]: each label touches a ring round its point."""
    angles = np.pi / 2 + np.arange(_DIRECTIONS) * (2 * np.pi / _DIRECTIONS)
    directions = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    rings = np.repeat(np.asarray(_RINGS), _DIRECTIONS)[:, None]
    directions = np.tile(directions, (len(_RINGS), 1))
    # On a diagonal the corner of the box touches the ring, on an axis the middle of an edge.
    corners = np.clip(directions * np.sqrt(2), -1, 1)
    return np.asarray(points[:, None] + directions * (gap + rings) + corners * sizes[:, None] / 2)


def _marker_cost(centres: Array, size: Array, points: Array, own: int, gap: float) -> Array:
    """Return the cost [c] of covering markers, and of being nearer to another point than to its own."""
    covered = _inside(centres, size / 2 + gap * 0.6, points)
    distances = np.linalg.norm(centres[:, None] - points[None], axis=2)
    # Points in the same place differ by colour only; no label can be nearer to one of them.
    nearer = distances.min(axis=1) < distances[:, own] - 1
    return np.asarray(_ON_MARKER * covered + _NEARER_ELSEWHERE * nearer)


def _line_cost(centres: Array, size: Array, dots: Array) -> Array:
    return _ON_LINE * _inside(centres, size / 2 + 1, dots)


def _frame_cost(centres: Array, size: Array, bounds: Array) -> Array:
    half = size / 2
    outside = ((centres - half < bounds[:2]) | (centres + half > bounds[2:])).any(axis=1)
    return np.asarray(_OUTSIDE * outside)


def _inside(centres: Array, half: Array, dots: Array) -> Array:
    """Return how many of the dots [k, 2] lie in each box [c]; all boxes have the same half size."""
    return np.asarray(
        (np.abs(centres[:, None] - dots[None]) < half).all(axis=2).sum(axis=1), dtype=np.float64
    )


def _overlaps(centres: Array, size: Array, others: Array, other_sizes: Array) -> Array:
    """Return how many other boxes each box [c] overlaps."""
    room = (size + other_sizes) / 2
    return np.asarray(
        (np.abs(centres[:, None] - others[None]) < room).all(axis=2).sum(axis=1), dtype=np.float64
    )


def _dots(lines: Array, spacing: float = 3.0) -> Array:
    """Return points [k, 2] along the segments, a few pixels apart: boxes are tested against points."""
    dots = [np.empty((0, 2))]
    for start, end in lines:
        count = 2 + int(np.linalg.norm(end - start) / spacing)
        dots.append(start + np.linspace(0, 1, count)[:, None] * (end - start))
    return np.concatenate(dots)
