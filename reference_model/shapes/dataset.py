"""The two distributions of captioned scenes: the clean one and the worn *web* one.

Every item depends on (seed, its index) alone. Training data, reference images and prompts are read from
random streams of different names, so no seed makes one of them repeat another.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reference_model.shapes.captions import Mention, caption
from reference_model.shapes.render import add_watermark, degrade, paint, to_uint8
from reference_model.shapes.scenes import IMAGE_SIZE, Scene, sample_scenes, uniforms

__all__ = [
    "WebBatch",
    "aesthetic",
    "clean_batch",
    "evaluation_prompts",
    "high_resolution",
    "reference_set",
    "web_batch",
]

_REFERENCE_STREAM = "shapes/reference"
_PROMPT_STREAM = "shapes/prompts"
_CLEAN_STREAM = "shapes/clean"
_WEB_STREAM = "shapes/web"
# What happens to an item on the web, and the scenes that wrong captions are taken from.
_WEAR_STREAM = "shapes/web/wear"
_STRANGER_STREAM = "shapes/web/strangers"
_WEAR_WIDTH = 16

# Pictures drawn at once: few enough for the working arrays to stay in the processor's cache.
_BLOCK = 64

_WATERMARK_SHARE = 0.25
_AESTHETIC_NOISE = 0.1
_WRONG_AT_BEST, _WRONG_AT_WORST = 0.08, 0.25
# How often a web caption leaves a part out, in the order of Mention's fields.
_LEFT_OUT = np.array([0.3, 0.3, 0.3, 0.3, 0.2, 0.12])


@dataclass(frozen=True)
class WebBatch:
    """Items of the web distribution, n in all.

    images: uint8 [n, 64, 64, 3]; captions: n strings, some incomplete, some wrong; quality: float32 [n] in
    [0, 1]; aesthetic: float32 [n] in [0, 1], a noisy estimate of the quality; watermark: bool [n].
    """

    images: NDArray[np.uint8]
    captions: list[str]
    quality: NDArray[np.float32]
    aesthetic: NDArray[np.float32]
    watermark: NDArray[np.bool_]


def reference_set(count: int, seed: int) -> tuple[NDArray[np.uint8], list[str]]:
    """Return the first `count` clean pictures, uint8 [n, 64, 64, 3], with their full captions.

    Raises ValueError for a negative count or seed.
    """
    scenes = sample_scenes(seed, _REFERENCE_STREAM, 0, count)
    return _painted(scenes), [caption(scene) for scene in scenes]


def reference_captions(count: int, seed: int) -> list[str]:
    """Return the captions of `reference_set` without painting its pictures.

    Raises ValueError for a negative count or seed.
    """
    return [caption(scene) for scene in sample_scenes(seed, _REFERENCE_STREAM, 0, count)]


def clean_batch(start: int, count: int, seed: int) -> NDArray[np.uint8]:
    """Return clean pictures start .. start + count - 1 to train on, uint8 [n, 64, 64, 3].

    Raises ValueError for negative numbers.
    """
    return _painted(sample_scenes(seed, _CLEAN_STREAM, start, count))


def evaluation_prompts(count: int, seed: int) -> list[str]:
    """Return the first `count` full captions of scenes that belong to no picture of the other streams.

    Raises ValueError for a negative count or seed.
    """
    return [caption(scene) for scene in sample_scenes(seed, _PROMPT_STREAM, 0, count)]


def web_batch(start: int, count: int, seed: int) -> WebBatch:
    """Return the items start .. start + count - 1 of the web distribution.

    Quality is uniform in [0, 1]. A quarter of the pictures carries a watermark band. Captions leave parts
    out, and between 8% (best quality) and 25% (worst) of them describe another scene. Raises ValueError for
    negative numbers.
    """
    scenes = sample_scenes(seed, _WEB_STREAM, start, count)
    wear = uniforms(seed, _WEAR_STREAM, start, count, _WEAR_WIDTH)
    quality = wear[:, 0].astype(np.float32)
    # Box and Muller: a standard normal from two uniforms; 1 - u keeps the logarithm finite.
    normal = np.sqrt(-2 * np.log(1 - wear[:, 1])) * np.cos(2 * np.pi * wear[:, 2])
    estimate = np.clip(quality + _AESTHETIC_NOISE * normal, 0, 1).astype(np.float32)
    watermark = wear[:, 3] < _WATERMARK_SHARE
    band_top = (36 + 14 * wear[:, 4]).astype(np.int64)
    images = np.empty((count, IMAGE_SIZE, IMAGE_SIZE, 3), dtype=np.uint8)
    for block in _blocks(count):
        pictures = degrade(paint(scenes[block]), quality[block])
        marked = watermark[block]
        pictures[marked] = add_watermark(pictures[marked], band_top[block][marked])
        images[block] = to_uint8(pictures)
    wrong = wear[:, 5] < _WRONG_AT_WORST + (_WRONG_AT_BEST - _WRONG_AT_WORST) * quality
    strangers = sample_scenes(seed, _STRANGER_STREAM, start, count)
    described = [b if w else a for a, b, w in zip(scenes, strangers, wrong, strict=True)]
    captions = _web_captions(described, wear[:, 6:12])
    return WebBatch(images, captions, quality, estimate, watermark)


def high_resolution(batch: WebBatch) -> NDArray[np.bool_]:
    """Select the sharper pictures, bool [n]: quality above 0.25, about 75% of the web."""
    return batch.quality > 0.25


def aesthetic(batch: WebBatch) -> NDArray[np.bool_]:
    """Select the pleasing pictures, bool [n]: aesthetic estimate above 0.55, no watermark; about 34%."""
    return (batch.aesthetic > 0.55) & ~batch.watermark


def _painted(scenes: list[Scene]) -> NDArray[np.uint8]:
    images = np.empty((len(scenes), IMAGE_SIZE, IMAGE_SIZE, 3), dtype=np.uint8)
    for block in _blocks(len(scenes)):
        images[block] = to_uint8(paint(scenes[block]))
    return images


def _web_captions(scenes: list[Scene], chances: NDArray[np.float64]) -> list[str]:
    said = (chances >= _LEFT_OUT).tolist()
    return [caption(scene, Mention(*row)) for scene, row in zip(scenes, said, strict=True)]


def _blocks(count: int) -> list[slice]:
    return [slice(begin, begin + _BLOCK) for begin in range(0, count, _BLOCK)]
