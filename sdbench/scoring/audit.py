"""The audit of images: flags those that no metric should include unnoticed.

Flags of a single image: not finite or truncated (both replaced by black), black, constant (a single colour),
or a flag from whoever made it. Flags within a cell: duplicate, which equals an earlier image bit for bit, and
near duplicate, whose thumbnail is close to an earlier one's. The earlier image is not flagged.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

__all__ = ["Flagged", "audit", "counts_in_words", "first_sight", "thumbnail"]

NOT_FINITE, BLACK, CONSTANT, TRUNCATED = "not finite", "black", "constant", "truncated"
DUPLICATE, NEAR_DUPLICATE = "duplicate", "near duplicate"

BLACK_LEVEL = 1
"""An image with no value above this is black; rounding may leave a 1."""

THUMBNAIL = 8
"""Side of a thumbnail in pixels."""

AT_A_TIME = 256
"""Thumbnails per neighbour query; limits memory, since all images of a cell may be alike."""

NEAR = 2.0
"""Largest root mean square difference, in 8-bit levels, between thumbnails of near duplicates.

Noise of 4 levels in every pixel moves a thumbnail by 0.7, and JPEG of quality 90 typically by 1.2. Among 600
different scenes of the embedded family, whose plain shapes are unusually similar, no two thumbnails are
closer than 8.9. The usual method, difference hashes of 64 bits, takes 10 pairs of these scenes for equal.
"""


@dataclass(frozen=True)
class Flagged:
    """What is wrong with an image, comma-joined, "" for nothing; `like`: index of the one it repeats."""

    flags: str
    like: int | None = None


def first_sight(image: np.ndarray, *, finite: bool = True) -> str:
    """Return what is wrong with a single image uint8 [H, W, 3], "" for nothing."""
    if not finite:
        return NOT_FINITE
    if image.max() <= BLACK_LEVEL:
        return BLACK
    return CONSTANT if (image == image[:1, :1]).all() else ""


def thumbnail(image: np.ndarray) -> np.ndarray:
    """Return an image uint8 [H, W, 3] averaged down to 8x8 pixels: uint8 [192]."""
    small = Image.fromarray(image).resize((THUMBNAIL, THUMBNAIL), Image.Resampling.BOX)
    return np.asarray(small).reshape(-1)


def audit(flags: Sequence[str], sha256: Sequence[str], thumbnails: np.ndarray) -> list[Flagged]:
    """Return the flags of n images, adding duplicates and near duplicates among those without a flag.

    Args:
        flags: The flags given at first sight.
        sha256: Digests of the images' pixels.
        thumbnails: uint8 [n, 192].
    """
    fine = [place for place, given in enumerate(flags) if not given]
    found = [Flagged(given) for given in flags]
    first: dict[str, int] = {}
    for place in fine:
        earlier = first.setdefault(sha256[place], place)
        if earlier != place:
            found[place] = Flagged(DUPLICATE, earlier)
    left = np.array([place for place in fine if not found[place].flags], dtype=int)
    for place, earlier in _near(thumbnails[left]):
        found[left[place]] = Flagged(NEAR_DUPLICATE, int(left[earlier]))
    return found


def _near(thumbnails: np.ndarray) -> list[tuple[int, int]]:
    """Return (index, earliest similar index) for each of n thumbnails that is close to an earlier one.

    The root mean square difference of block means is at most that of the pixels (Cauchy-Schwarz), so only
    images with close block means are compared pixel by pixel.
    """
    from scipy.spatial import KDTree

    if not len(thumbnails):
        return []
    values = thumbnails.astype(np.float32)
    half = THUMBNAIL // 2
    blocks = values.reshape(-1, 2, half, 2, half, 3).mean(axis=(2, 4)).reshape(len(values), -1)
    tree = KDTree(blocks)
    reach = NEAR * np.sqrt(blocks.shape[1]) * (1 + 1e-5)  # float32
    earliest: dict[int, int] = {}
    for start in range(0, len(values), AT_A_TIME):
        neighbours = tree.query_ball_point(blocks[start : start + AT_A_TIME], reach)
        for late, others in enumerate(neighbours, start):
            before = np.array(others)[np.array(others) < late]
            close = before[np.mean((values[before] - values[late]) ** 2, axis=1) <= NEAR**2]
            if len(close):
                earliest[late] = int(close.min())
    return sorted(earliest.items())


def counts_in_words(flags: Iterable[str]) -> str:
    """Return the number of images with each flag in words: "2 black, 1 duplicate"."""
    counts = Counter(word for given in flags if given for word in given.split(","))
    return ", ".join(f"{count} {word}" for word, count in sorted(counts.items()))
