"""COCO captions files: captions by id, and the images that they describe."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeVar

from sdbench.core.errors import InputError
from sdbench.core.paths import existing_file

__all__ = ["Caption", "captions", "captions_of_images", "image_files"]

SOURCE = "http://images.cocodataset.org/annotations/annotations_trainval2017.zip"

_Result = TypeVar("_Result")


@dataclass(frozen=True)
class Caption:
    """A caption with the ids of its annotation and of its image."""

    id: int
    image: int
    text: str


def captions(text: str, what: str) -> list[Caption]:
    """The captions of the file at the path `text` by rising id; empty ones are left out.

    InputError, which calls the file `what`, where it is missing, no COCO captions file, or has two captions
    of one id: their images would have one noise.
    """
    found = _parsed(text, what, _captions)
    for caption, following in pairwise(found):
        if caption.id == following.id:
            raise InputError(f"{what}: {text}: two annotations have the id {caption.id}; give each its own")
    return found


def captions_of_images(text: str, what: str) -> dict[int, str]:
    """Each image's first caption (that of the lowest annotation id) by image id; InputError as above."""
    first: dict[int, str] = {}
    for caption in captions(text, what):
        first.setdefault(caption.image, caption.text)
    return first


def image_files(text: str, what: str) -> set[str]:
    """The names of the image files that the captions file lists; InputError as above."""
    return _parsed(text, what, lambda content: {str(image["file_name"]) for image in content["images"]})


def _captions(content: Any) -> list[Caption]:
    given = [
        Caption(int(a["id"]), int(a["image_id"]), " ".join(a["caption"].split()))
        for a in content["annotations"]
    ]
    return sorted((caption for caption in given if caption.text), key=lambda caption: caption.id)


def _parsed(text: str, what: str, read: Callable[[Any], _Result]) -> _Result:
    path = _existing(text, what)
    try:
        return read(json.loads(path.read_bytes()))
    except (ValueError, KeyError, TypeError, AttributeError):
        raise InputError(
            f"{what}: {path} is not a COCO captions file, such as captions_val2017.json"
        ) from None


def _existing(text: str, what: str) -> Path:
    try:
        return existing_file(text, what)
    except InputError as error:
        raise InputError(f"{error}: the captions are in {SOURCE}") from None
