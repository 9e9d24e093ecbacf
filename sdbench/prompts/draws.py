"""Random draws of captions that are a prefix of themselves: more prompts keep the fewer."""

from __future__ import annotations

from collections.abc import Iterable

from sdbench import coco
from sdbench.digest import digest_bytes
from sdbench.spec import CocoPrompts

__all__ = ["shuffled_captions"]


def shuffled_captions(spec: CocoPrompts) -> list[coco.Caption]:
    """All captions that may be taken, in the order of the draw: a hash of (seed, id), the same everywhere.

    One per image: images come in an order of their own, so that one with many captions comes no earlier.
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
