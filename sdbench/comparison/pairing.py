"""Which image belongs to which, and which pairs cannot be judged with the others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sdbench.comparison.pictures import Picture
from sdbench.comparison.sides import Side
from sdbench.core.errors import InputError
from sdbench.scoring.audit import NEAR

__all__ = ["Flagged", "Pairing", "compositions", "flagged_pairs", "pair"]

AT_A_TIME = 512


@dataclass(frozen=True)
class Pairing:
    """Keys that both sides have, in A's order, and those of one side alone."""

    both: tuple[str, ...]
    only_a: tuple[str, ...]
    only_b: tuple[str, ...]


@dataclass(frozen=True)
class Flagged:
    """A pair that is judged apart: its key, and what is wrong with each side's image, "" for nothing."""

    key: str
    a: str
    b: str


def pair(a: Side, b: Side) -> Pairing:
    """Pair two sides by key; images of one key that show different prompts have no partner.

    Raises:
        InputError: No image has a partner.
    """
    others = set(b.keys)
    same = {
        key
        for key in a.keys
        if key in others and (key not in a.prompts or b.prompts.get(key, a.prompts[key]) == a.prompts[key])
    }
    if not same:
        raise InputError(
            f"no image of {a.name} has a partner in {b.name}: images are paired by prompt and noise in runs, "
            f"else by path without suffix, and these begin with {a.keys[0]} and {b.keys[0]}"
        )
    return Pairing(
        tuple(key for key in a.keys if key in same),
        tuple(key for key in a.keys if key not in same),
        tuple(key for key in b.keys if key not in same),
    )


def flagged_pairs(
    keys: Sequence[str], a: Mapping[str, Picture], b: Mapping[str, Picture]
) -> dict[str, Flagged]:
    """Return the pairs with an image that is black, constant, broken, repeated, misplaced or of another size.

    Raises:
        InputError: All readable pairs differ in size.
    """
    found = {key: Flagged(key, a[key].flag, b[key].flag) for key in keys if a[key].flag or b[key].flag}
    readable = [key for key in keys if a[key].sha256 and b[key].sha256]
    other = [key for key in readable if a[key].size != b[key].size]
    if other and len(other) == len(readable):
        sizes = " and ".join(_size(side[other[0]]) for side in (a, b))
        raise InputError(f"the images of A and B differ in size ({sizes}): make both in one size")
    for key in other:
        found.setdefault(key, Flagged(key, "", f"{_size(b[key])} instead of {_size(a[key])} pixels"))
    rest = [key for key in keys if key not in found]
    for key, like in _repeated(rest, a, b).items():
        found[key] = Flagged(key, "", f"the same pixels as {like}")
    rest = [key for key in rest if key not in found]
    for key, like in _misplaced(rest, a, b).items():
        found[key] = Flagged(key, "", f"shows the image of {like}")
    return found


def compositions(
    keys: Sequence[str], a: Mapping[str, Picture], b: Mapping[str, Picture]
) -> tuple[NDArray[np.intp], NDArray[np.float64], NDArray[np.float64]]:
    """Compare the 8x8 thumbnails of B's images with all of A's.

    Returns:
        The index of A's closest image for each of B's, its root mean square difference in levels, and that of
        the own partner, each [n]. Of equally close images the own partner wins.
    """
    first, second = (
        np.array([side[key].thumbnail for key in keys], np.float32).reshape(len(keys), -1) for side in (a, b)
    )
    squares = (first**2).sum(axis=1)
    own = np.sqrt(((first - second) ** 2).mean(axis=1))
    nearest, apart = np.arange(len(keys)), own.copy()
    for start in range(0, len(keys), AT_A_TIME):
        part = second[start : start + AT_A_TIME]
        distances = squares[None] - 2 * part @ first.T
        best = distances.argmin(axis=1)
        exact = np.sqrt(((first[best] - part) ** 2).mean(axis=1))
        places = np.arange(start, start + len(part))
        closer = exact < own[places]
        nearest[places[closer]], apart[places[closer]] = best[closer], exact[closer]
    return nearest, apart.astype(np.float64), own.astype(np.float64)


def _repeated(keys: Sequence[str], a: Mapping[str, Picture], b: Mapping[str, Picture]) -> dict[str, str]:
    """Return images of B with the pixels of another one of B, though their partners in A differ."""
    groups: dict[str, list[str]] = {}
    for key in keys:
        groups.setdefault(b[key].sha256, []).append(key)
    found = {}
    for group in groups.values():
        if len({a[key].sha256 for key in group}) > 1:
            original = next((key for key in group if a[key].sha256 == b[key].sha256), group[0])
            found.update({key: original for key in group if a[key].sha256 != a[original].sha256})
    return found


def _misplaced(keys: Sequence[str], a: Mapping[str, Picture], b: Mapping[str, Picture]) -> dict[str, str]:
    """Return images of B that are nearly those of another prompt in A, and not nearly their own partner's."""
    if len(keys) < 2:
        return {}
    nearest, apart, own = compositions(keys, a, b)
    wrong = np.flatnonzero((apart <= NEAR) & (own > 2 * NEAR) & (nearest != np.arange(len(keys))))
    return {keys[place]: keys[int(nearest[place])] for place in wrong.tolist()}


def _size(picture: Picture) -> str:
    height, width = picture.size
    return f"{width}x{height}"
