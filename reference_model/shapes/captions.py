"""The captions of scenes: "a large red circle above a small blue square on a yellow background"."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from reference_model.shapes.scenes import (
    BACKGROUND_STYLES,
    COLOURS,
    RELATIONS,
    SHAPES,
    SIZES,
    TEXTURES,
    Background,
    Figure,
    Scene,
)

__all__ = ["FULL", "VOCABULARY", "WORDS", "Mention", "caption", "with_articles"]

# A plain texture and a plain background go without saying.
_UNSAID = "plain"


@dataclass(frozen=True)
class Mention:
    """What a caption tells of its scene.

    `sizes` and `textures` belong to the figures, `background_style` needs `background`; without `relation`
    two figures are joined by "and", without `second` only the first one is named.
    """

    sizes: bool = True
    textures: bool = True
    background: bool = True
    background_style: bool = True
    relation: bool = True
    second: bool = True


FULL = Mention()

WORDS: dict[str, tuple[str, ...]] = {
    "shape": SHAPES,
    "colour": tuple(COLOURS),
    "size": SIZES,
    "pattern": tuple(texture for texture in TEXTURES if texture != _UNSAID),
    "style": tuple(style for style in BACKGROUND_STYLES if style != _UNSAID),
    "relation": tuple(RELATIONS),
}
"""What `caption` can say of each kind; relations may be two words."""

VOCABULARY: tuple[str, ...] = tuple(
    sorted(
        {"a", "an", "and", "on", "background"}
        | {word for kind in WORDS.values() for said in kind for word in said.split()}
    )
)
"""Every word that `caption` can write, lower case, sorted."""


def caption(scene: Scene, mention: Mention = FULL) -> str:
    """Describe a scene in at most 17 words of `VOCABULARY`; by default with everything there is to say."""
    parts = [_figure(scene.figures[0], mention)]
    if len(scene.figures) > 1 and mention.second:
        parts.append(scene.relation if scene.relation and mention.relation else "and")
        parts.append(_figure(scene.figures[1], mention))
    if mention.background:
        parts += ["on", _background(scene.background, mention)]
    return " ".join(parts)


def _figure(figure: Figure, mention: Mention) -> str:
    size = figure.size if mention.sizes else _UNSAID
    texture = figure.texture if mention.textures else _UNSAID
    return _phrase(size, texture, figure.colour, figure.shape)


def _background(background: Background, mention: Mention) -> str:
    style = background.style if mention.background_style else _UNSAID
    return _phrase(style, background.colour, "background")


def _phrase(*words: str) -> str:
    return with_articles(["a", *(word for word in words if word != _UNSAID)])


def with_articles(words: Sequence[str]) -> str:
    """Join words, every "a" or "an" as the word after it asks for."""
    following = [*words[1:], ""]
    return " ".join(
        ("an" if after.startswith(tuple("aeiou")) else "a") if word in ("a", "an") else word
        for word, after in zip(words, following, strict=True)
    )
