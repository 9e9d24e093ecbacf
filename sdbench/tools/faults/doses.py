"""Graded faults of clean scenes: each has four doses, from hardly visible to plain."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from PIL import Image, ImageFilter

from reference_model.shapes.render import add_watermark, paint, to_uint8
from reference_model.shapes.scenes import COLOURS, Scene

__all__ = ["FAULTS", "Clean", "Fault"]

_MODES = 8
"""Number of images that stand for all others if modes are dropped."""
_BAND_TOP = 43
"""Row at which the watermark begins: the middle of its range in the web images of the family."""


@dataclass(frozen=True)
class Clean:
    """n clean scenes, their images uint8 [n, H, W, 3], n real images of the same kind, and a random order.

    A dose that is a share changes the first images of `order` [n], so a larger dose contains a smaller one.
    """

    scenes: Sequence[Scene]
    images: np.ndarray
    real: np.ndarray
    order: np.ndarray


@dataclass(frozen=True)
class Fault:
    """A fault: its doses in rising order, their unit, and what makes images of clean images and a dose."""

    doses: tuple[float, ...]
    unit: str
    apply: Callable[[Clean, float], np.ndarray]


def _blurred(clean: Clean, dose: float) -> np.ndarray:
    return _each(clean.images, lambda image: image.filter(ImageFilter.GaussianBlur(dose)))


def _jpeg(clean: Clean, dose: float) -> np.ndarray:
    def packed(image: Image.Image) -> Image.Image:
        file = io.BytesIO()
        image.save(file, "JPEG", quality=round(100 - dose))
        return Image.open(file)

    return _each(clean.images, packed)


def _cast(clean: Clean, dose: float) -> np.ndarray:
    gain = np.array([1 + dose / 100, 1, 1 - dose / 100])
    return np.asarray(np.clip(clean.images * gain + 0.5, 0, 255).astype(np.uint8))


def _each(images: np.ndarray, change: Callable[[Image.Image], Image.Image]) -> np.ndarray:
    return np.stack([np.asarray(change(Image.fromarray(image))) for image in images])


def _chosen(clean: Clean, dose: float) -> np.ndarray:
    return np.asarray(clean.order[: round(len(clean.order) * dose / 100)])


def _scenes(change: Callable[[Scene], Scene]) -> Callable[[Clean, float], np.ndarray]:
    def apply(clean: Clean, dose: float) -> np.ndarray:
        images, chosen = clean.images.copy(), _chosen(clean, dose)
        if chosen.size:
            images[chosen] = to_uint8(paint([change(clean.scenes[place]) for place in chosen]))
        return images

    return apply


def _wrong_colour(scene: Scene) -> Scene:
    first, *others = scene.figures
    used = {figure.colour for figure in scene.figures} | {scene.background.colour}
    names = list(COLOURS)
    place = names.index(first.colour)
    colour = next(name for name in names[place:] + names[:place] if name not in used)
    return replace(scene, figures=(replace(first, colour=colour, rgb=COLOURS[colour]), *others))


def _missing_shape(scene: Scene) -> Scene:
    return replace(scene, figures=scene.figures[1:], relation=None)


def _swapped(scene: Scene) -> Scene:
    if len(scene.figures) < 2:
        return scene
    first, second = scene.figures
    moved = replace(first, centre=second.centre), replace(second, centre=first.centre)
    return replace(scene, figures=moved)


def _pasted(source: Callable[[Clean, np.ndarray], np.ndarray]) -> Callable[[Clean, float], np.ndarray]:
    def apply(clean: Clean, dose: float) -> np.ndarray:
        images, chosen = clean.images.copy(), _chosen(clean, dose)
        images[chosen] = source(clean, chosen)
        return images

    return apply


def _marked(clean: Clean, chosen: np.ndarray) -> np.ndarray:
    pictures = clean.images[chosen].transpose(0, 3, 1, 2).astype(np.float32) / 255
    return to_uint8(add_watermark(pictures, np.full(len(chosen), _BAND_TOP)))


_SHARES = (1.0, 4.0, 16.0, 64.0)
_OF_IMAGES = "% of images"

FAULTS: dict[str, Fault] = {
    "blur": Fault((0.25, 0.5, 1.0, 2.0), "px", _blurred),
    "jpeg": Fault((5.0, 20.0, 50.0, 80.0), "below quality 100", _jpeg),
    "colour-cast": Fault((1.0, 4.0, 8.0, 16.0), "%", _cast),
    "wrong-colour": Fault(_SHARES, _OF_IMAGES, _scenes(_wrong_colour)),
    "missing-shape": Fault(_SHARES, _OF_IMAGES, _scenes(_missing_shape)),
    "swapped-relation": Fault(_SHARES, _OF_IMAGES, _scenes(_swapped)),
    "mode-dropping": Fault(
        _SHARES, _OF_IMAGES, _pasted(lambda clean, chosen: clean.images[clean.order[-1 - chosen % _MODES]])
    ),
    "memorised": Fault(_SHARES, _OF_IMAGES, _pasted(lambda clean, chosen: clean.real[chosen])),
    "black": Fault(_SHARES, _OF_IMAGES, _pasted(lambda clean, chosen: np.zeros_like(clean.images[chosen]))),
    "watermark": Fault(_SHARES, _OF_IMAGES, _pasted(_marked)),
}
"""The faults by name. Shares are of all scenes; swapping leaves the half with one shape unchanged."""
