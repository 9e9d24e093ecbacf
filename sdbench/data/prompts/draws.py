"""Random draws of captions in which a larger draw starts with the smaller one."""

from __future__ import annotations

from collections.abc import Iterable

from sdbench.core.digest import digest_bytes
from sdbench.data import coco
from sdbench.spec import CocoPrompts

__all__ = ["shuffled_captions"]


def shuffled_captions(spec: CocoPrompts) -> list[coco.Caption]:
    """Return all eligible captions in the order of the draw, which is that of a hash of (seed, id).

    With one caption per image, the images have their own order, so that many captions do not move an image
    forward.
    """
    captions = coco.captions(spec.path, "prompts.path")
    by_rank = sorted(captions, key=lambda caption: _rank(spec.seed, caption.id))
    if spec.pick == "any":
        return by_rank
    first = _first_of_each_image(by_rank)
    return sorted(first, key=lambda caption: _rank(spec.seed, f"image:{caption.image}"))


def _first_of_each_image(captions: Iterable[coco.Caption]) -> list[coco.Caption]:
    first: dict[int, coco.Caption] = {}
    for caption in captions:
        first.setdefault(caption.image, caption)
    return list(first.values())


def _rank(seed: int, what: int | str) -> str:
    return digest_bytes(f"{seed}:{what}".encode())
