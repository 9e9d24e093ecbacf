"""Reference images that belong to single prompts, for metrics that compare each image with its own."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import PurePosixPath

import numpy as np

from sdbench.core.errors import InputError
from sdbench.data.coco import files_of_captions
from sdbench.data.image_sets import ImageSet
from sdbench.data.prompts import Prompt
from sdbench.scoring.extract import Beside

__all__ = ["Files", "OfPrompts", "beside_images", "files_by_caption", "files_by_stem", "paired"]

OfPrompts = Callable[[Sequence[str]], np.ndarray]
"""Returns the reference images, uint8 [B, H, W, 3], that belong to the prompts of these ids."""

Files = Callable[[ImageSet, Sequence[str]], Sequence[str]]
"""Returns the names of the files of a set that belong to the prompts of these ids."""

_COCO_ID = re.compile(r"coco-(\d+)-[0-9a-f]+")
_AT_A_TIME = 64


def beside_images(prompts: Sequence[Prompt], of_prompts: OfPrompts | None) -> Beside:
    """Return what belongs to the images of these prompts."""
    texts, ids = [prompt.text for prompt in prompts], [prompt.of or prompt.id for prompt in prompts]
    if of_prompts is None:
        return Beside(texts)
    return Beside(texts, lambda start, end: of_prompts(ids[start:end]))


def files_by_stem(images: ImageSet, ids: Sequence[str]) -> list[str]:
    """Return the files whose stems are the ids; InputError if one is missing."""
    return _found(images, {PurePosixPath(name).stem: name for name in images.names}, ids, ids)


def files_by_caption(captions: str) -> Files:
    """Return a function to the files that the captions of the ids describe; InputError if one is missing."""

    @cache
    def files() -> Mapping[int, str]:
        return files_of_captions(captions, "reference.captions")

    def found(images: ImageSet, ids: Sequence[str]) -> list[str]:
        known = {PurePosixPath(name).name: name for name in images.names}
        matches = [_COCO_ID.fullmatch(id_) for id_ in ids]
        keys = [files().get(int(match[1]), "") if match else "" for match in matches]
        return _found(images, known, keys, ids)

    return found


def _found(images: ImageSet, known: Mapping[str, str], keys: Sequence[str], ids: Sequence[str]) -> list[str]:
    missing = [id_ for key, id_ in zip(keys, ids, strict=True) if key not in known]
    if missing:
        raise InputError(
            f"{images.where} lacks the images that {len(missing)} of {len(ids)} images are compared with, "
            f"one by one; the first is {missing[0]}: name each reference image after the id of its prompt"
        )
    return [known[key] for key in keys]


def paired(images: ImageSet, files: Sequence[str], image_size: tuple[int, int]) -> np.ndarray:
    """Return the images of these names, uint8 [B, H, W, 3], cropped and resized; one may come twice."""
    wanted = set(files)
    chosen = images.only(lambda name: name in wanted)
    pixels = np.concatenate(list(chosen.fitted(*image_size, _AT_A_TIME)))
    places = {name: place for place, name in enumerate(chosen.names)}
    return pixels[[places[name] for name in files]]
