"""What the embedded family's CLIP reads: the scores of captions that are wrong in one respect.

For every kind of change this prints the share of clean scenes of two shapes whose own caption has the higher
score, with its standard error. A CLIP that cannot see the change has 50%.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

import sdbench
from reference_model.shapes.captions import with_articles
from reference_model.shapes.dataset import reference_set
from reference_model.shapes.scenes import COLOURS, RELATION_OF, RELATIONS, SHAPES

SCENES, SEED = 2000, 0


def main() -> None:
    """Print the table."""
    images, captions = reference_set(SCENES, SEED)
    pairs = [i for i, caption in enumerate(captions) if _relation(caption)]
    pictures, right = images[pairs], [captions[i] for i in pairs]
    own = _scores(pictures, right)
    print(f"{len(pairs)} scenes of two shapes: their own caption scores above the one with")
    for name, change in CHANGES.items():
        share = float(np.mean(own > _scores(pictures, [change(caption) for caption in right])))
        print(f"  {name:20} {share:6.1%} ± {(share * (1 - share) / len(pairs)) ** 0.5:.1%}")


def _scores(images: np.ndarray, captions: list[str]) -> np.ndarray:
    scores = sdbench.clip_score(images, captions, protocol="clip-score-shapes").per_image
    assert scores is not None
    return scores


def _relation(caption: str) -> str | None:
    return next((relation for relation in RELATIONS if f" {relation} " in caption), None)


def _placed(step: Callable[[tuple[int, int]], tuple[int, int]]) -> Callable[[str], str]:
    """Change the caption's relation to the one whose direction is ``step`` of its own."""

    def change(caption: str) -> str:
        relation = _relation(caption)
        assert relation is not None
        return caption.replace(f" {relation} ", f" {RELATION_OF[step(RELATIONS[relation])]} ")

    return change


def _swapped(kind: tuple[str, ...]) -> Callable[[str], str]:
    """Swap the first two words of a kind."""

    def change(caption: str) -> str:
        words = caption.split()
        a, b, *_ = (i for i, word in enumerate(words) if word in kind)
        words[a], words[b] = words[b], words[a]
        return with_articles(words)

    return change


def _another_shape(caption: str) -> str:
    words = caption.split()
    place = next(i for i, word in enumerate(words) if word in SHAPES)
    words[place] = next(shape for shape in SHAPES[len(caption) % 5 :] if shape not in words)
    return with_articles(words)


CHANGES: dict[str, Callable[[str], str]] = {
    "the opposite place": _placed(lambda step: (-step[0], -step[1])),
    "a place across": _placed(lambda step: (step[1], step[0])),
    "colours swapped": _swapped(tuple(COLOURS)),
    "shapes swapped": _swapped(SHAPES),
    "another first shape": _another_shape,
}

if __name__ == "__main__":
    main()
