"""What CLIP learns from: groups of scenes that differ in one respect, drawn and described.

Among unrelated scenes a contrastive loss leaves relations and the order of words unlearned, since easier
things tell the captions apart (Yuksekgonul et al. 2023, "When and why vision-language models behave like
bags-of-words"). Here every picture and every caption meets its nearest neighbours.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from reference_model.shapes.captions import Mention, caption
from reference_model.shapes.render import degrade, paint, to_uint8
from reference_model.shapes.scenes import (
    BACKGROUND_STYLES,
    COLOURS,
    IMAGE_SIZE,
    RELATION_OF,
    RELATIONS,
    SHAPES,
    TEXTURES,
    Background,
    Figure,
    Rgb,
    Scene,
    resized,
    sample_scenes,
)
from reference_model.shapes.training.loop import Report, cached

__all__ = ["GROUP", "Contrasts", "contrast_batch", "draw_contrasts", "retold", "variants"]

GROUP = 4  # scenes in a group
CHUNK = 500  # groups drawn at once

_STREAM = "shapes/contrasts"
_LEAST_QUALITY = 0.25
_LEFT_OUT = 0.1
_TOLD_FROM_FIRST = 0.8

Chances = np.random.Generator
Change = Callable[[Scene, Chances], Scene]
_Coloured = TypeVar("_Coloured", Figure, Background)


@dataclass(frozen=True)
class Contrasts:
    """Groups of ``GROUP`` neighbours each: images uint8 [n, 64, 64, 3], and their captions."""

    images: Tensor
    captions: list[str]


def draw_contrasts(groups: int, seed: int, path: Path, report: Report) -> Contrasts:
    """Draw the groups into the file ``path``, unless it has them already, and return them."""
    return Contrasts(**cached(path, partial(_drawn, groups, seed, report)))


def _drawn(groups: int, seed: int, report: Report) -> dict[str, Any]:
    images, captions = [], []
    for start in range(0, groups, CHUNK):
        count = min(CHUNK, groups - start)
        pictures, texts = contrast_batch(start, count, seed)
        images.append(pictures)
        captions += texts
        report("contrasts", start + count, groups, 0.0)
    return {"images": torch.from_numpy(np.concatenate(images)), "captions": captions}


def contrast_batch(start: int, count: int, seed: int) -> tuple[NDArray[np.uint8], list[str]]:
    """Return ``count`` groups from ``start`` on: pictures, uint8 [count x GROUP, 64, 64, 3], and captions.

    The pictures of a group are as sharp as each other, and its captions leave out the same things.
    """
    images, captions = [], []
    for index, scene in enumerate(sample_scenes(seed, _STREAM, start, count), start):
        chances = np.random.default_rng([seed, index])
        sizes, textures, background, style, relation = (chances.random(5) >= _LEFT_OUT).tolist()
        told = Mention(sizes, textures, background, background and style, relation)
        group = variants(scene, told, chances)
        quality = np.float32(_LEAST_QUALITY + (1 - _LEAST_QUALITY) * chances.random())
        images.append(to_uint8(degrade(paint(group), np.full(GROUP, quality))))
        captions += [caption(retold(each, chances), told) for each in group]
    return np.concatenate(images), captions


def variants(scene: Scene, told: Mention, chances: Chances) -> list[Scene]:
    """Return the scene and three others; each differs from it in one respect that its caption tells.

    Two figures change their places, and which shape or colour is whose, before anything else does: this is
    what takes most learning.
    """
    changes = {name: change for name, change in _ALONE.items() if getattr(told, name, True)}
    if scene.relation is not None:
        changes |= _SWAPS
    if scene.relation is None or not told.relation:
        chosen = chances.choice(list(changes), GROUP - 1, replace=len(changes) < GROUP - 1)
        return [scene, *(changes[name](scene, chances) for name in chosen)]
    first = chances.choice(["across", *_SWAPS])
    changes["across"] = _across
    third = chances.choice([name for name in changes if name != first])
    return [scene, _opposite(scene, chances), changes[first](scene, chances), changes[third](scene, chances)]


def retold(scene: Scene, chances: Chances) -> Scene:
    """Name the figures of a scene in the one order or the other: what lies left or above mostly comes first.

    Were both orders as likely, neither the order nor the relation alone would tell where a figure lies, only
    the two together, and gradients would have nothing to begin with.
    """
    if scene.relation is None:
        return scene
    x, y = RELATIONS[scene.relation]
    first = x + y < 0
    if first == (chances.random() < _TOLD_FROM_FIRST):
        return scene
    return replace(scene, figures=scene.figures[::-1], relation=RELATION_OF[-x, -y])


def _opposite(scene: Scene, chances: Chances) -> Scene:
    """Mirror the places, not the figures, along the relation's axis."""
    assert scene.relation is not None
    x, y = RELATIONS[scene.relation]

    def mirrored(centre: tuple[float, float]) -> tuple[float, float]:
        return (IMAGE_SIZE - centre[0], centre[1]) if x else (centre[0], IMAGE_SIZE - centre[1])

    figures = tuple(replace(figure, centre=mirrored(figure.centre)) for figure in scene.figures)
    return replace(scene, figures=figures, relation=RELATION_OF[-x, -y])


def _across(scene: Scene, chances: Chances) -> Scene:
    assert scene.relation is not None
    x, y = RELATIONS[scene.relation]
    figures = tuple(replace(figure, centre=figure.centre[::-1]) for figure in scene.figures)
    return replace(scene, figures=figures, relation=RELATION_OF[y, x])


def _swapped(*fields: str) -> Change:
    def change(scene: Scene, chances: Chances) -> Scene:
        a, b = scene.figures
        theirs = [{field: getattr(figure, field) for field in fields} for figure in (b, a)]
        return replace(scene, figures=(replace(a, **theirs[0]), replace(b, **theirs[1])))

    return change


def _one_figure(change: Callable[[Figure, Scene, Chances], Figure]) -> Change:
    def changed(scene: Scene, chances: Chances) -> Scene:
        which = chances.integers(len(scene.figures))
        figures = list(scene.figures)
        figures[which] = change(figures[which], scene, chances)
        return replace(scene, figures=tuple(figures))

    return changed


def _other(names: Sequence[str], taken: Sequence[str], chances: Chances) -> str:
    free = [name for name in names if name not in taken]
    return free[chances.integers(len(free))]


def _another_shape(figure: Figure, scene: Scene, chances: Chances) -> Figure:
    return replace(figure, shape=_other(SHAPES, [other.shape for other in scene.figures], chances))


def _another_texture(figure: Figure, scene: Scene, chances: Chances) -> Figure:
    return replace(figure, texture=_other(TEXTURES, [figure.texture], chances))


def _another_colour(thing: _Coloured, scene: Scene, chances: Chances) -> _Coloured:
    """A colour that nothing in the scene has, as far from its pure tone as the old one was."""
    taken = [scene.background.colour, *(figure.colour for figure in scene.figures)]
    colour = _other(list(COLOURS), taken, chances)
    tone = np.array(COLOURS[colour]) + np.subtract(thing.rgb, COLOURS[thing.colour])
    r, g, b = np.clip(tone, 0, 1).tolist()
    rgb: Rgb = (r, g, b)
    return replace(thing, colour=colour, rgb=rgb)


def _another_size(scene: Scene, chances: Chances) -> Scene:
    return resized(scene, int(chances.integers(len(scene.figures))))


def _another_background(scene: Scene, chances: Chances) -> Scene:
    return replace(scene, background=_another_colour(scene.background, scene, chances))


def _another_style(scene: Scene, chances: Chances) -> Scene:
    style = _other(BACKGROUND_STYLES, [scene.background.style], chances)
    return replace(scene, background=replace(scene.background, style=style))


# What a caption may leave out has the name of its field in `Mention`.
_ALONE: dict[str, Change] = {
    "shape": _one_figure(_another_shape),
    "colour": _one_figure(_another_colour),
    "textures": _one_figure(_another_texture),
    "sizes": _another_size,
    "background": _another_background,
    "background_style": _another_style,
}
_SWAPS: dict[str, Change] = {
    "shapes swapped": _swapped("shape"),
    "colours swapped": _swapped("colour", "rgb"),
}
