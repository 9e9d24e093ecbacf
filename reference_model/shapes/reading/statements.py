"""What a caption states, and which of its statements a picture bears out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import permutations

from reference_model.shapes.captions import WORDS
from reference_model.shapes.reading.scenes import Sighting, View
from reference_model.shapes.scenes import COLOURS, RELATIONS

__all__ = ["KINDS", "Statement", "check", "statements"]

KINDS = ("shape", "colour", "size", "pattern", "place", "background")
"""Kinds of statements. A background's colour and its style are two statements of one kind."""

_WORDS = {kind: WORDS[kind] for kind in ("size", "pattern", "colour", "shape")}
_STYLES = WORDS["style"]


@dataclass(frozen=True)
class Statement:
    """One thing that a caption says: ``word`` of figure 0 or 1, or of the scene if ``figure`` is None."""

    kind: str
    figure: int | None
    word: str


def statements(caption: str) -> tuple[Statement, ...]:
    """Take a caption of the family apart.

    What goes without saying, a plain texture or background, is no statement.

    Raises:
        ValueError: words that no caption of the family holds, or in another order.
    """
    words = caption.split()
    found: list[Statement] = []
    _figure(words, 0, found)
    relation = next((r for r in ("and", *RELATIONS) if words[: len(r.split())] == r.split()), None)
    if relation is not None:
        del words[: len(relation.split())]
        if relation in RELATIONS:
            found.append(Statement("place", None, relation))
        _figure(words, 1, found)
    if words[:1] == ["on"]:
        del words[:2]
        for choices in (_STYLES, COLOURS):
            if words and words[0] in choices:
                found.append(Statement("background", None, words.pop(0)))
        if words != ["background"]:
            raise ValueError(f"not a caption of the shapes family: {caption!r}")
    elif words:
        raise ValueError(f"not a caption of the shapes family: {caption!r}")
    return tuple(found)


def _figure(words: list[str], number: int, found: list[Statement]) -> None:
    """Move the words of one figure from the front of ``words`` to ``found``."""
    said = " ".join(words)
    if not words or words.pop(0) not in ("a", "an"):
        raise ValueError(f"not a figure of the shapes family: {said!r}")
    for kind, choices in _WORDS.items():
        if words and words[0] in choices:
            found.append(Statement(kind, number, words.pop(0)))
    if not found or found[-1].kind != "shape":
        raise ValueError(f"not a figure of the shapes family: {said!r}")


def check(said: tuple[Statement, ...], view: View) -> tuple[bool, ...]:
    """Say of each statement whether it holds.

    Each figure of the caption is paired with one of the picture so that most statements hold. Nothing holds
    of a figure that the picture lacks.
    """
    count = 1 + max((s.figure for s in said if s.figure is not None), default=-1)
    places: list[Sighting | None] = [*view.figures, None, None]
    return max((tuple(_holds(said, chosen, view)) for chosen in permutations(places, count)), key=sum)


def _holds(said: tuple[Statement, ...], chosen: tuple[Sighting | None, ...], view: View) -> Iterator[bool]:
    for statement in said:
        if statement.kind == "background":
            yield statement.word in (view.background, view.style)
        elif statement.kind == "place":
            yield _lies(statement.word, chosen)
        else:
            seen = None if statement.figure is None else chosen[statement.figure]
            yield seen is not None and statement.word in (seen.shape, seen.colour, seen.size, seen.texture)


def _lies(relation: str, chosen: tuple[Sighting | None, ...]) -> bool:
    first, second = chosen
    if first is None or second is None:
        return False
    x, y = (a - b for a, b in zip(first.centre, second.centre, strict=True))
    step = RELATIONS[relation]
    return x * step[0] + y * step[1] > abs(x * step[1] + y * step[0])
