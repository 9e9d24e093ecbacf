"""COCO captions files: captions by id, and the images that they describe."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from sdbench.core.errors import InputError
from sdbench.core.paths import existing_file
from sdbench.data.rows import Row, decoded, parsed_json

__all__ = [
    "Caption",
    "captions",
    "captions_by_file",
    "captions_of_images",
    "files_of_captions",
    "image_files",
]

SOURCE = "http://images.cocodataset.org/annotations/annotations_trainval2017.zip"


@dataclass(frozen=True)
class Caption:
    """A caption with the ids of its annotation and of its image."""

    id: int
    image: int
    text: str


def captions(text: str, what: str) -> list[Caption]:
    """The captions of the file at the path `text` by rising id; blank ones are left out, as COCO has some.

    InputError, which calls the file `what`, if it is missing, no COCO captions file, or has two captions
    of one id: their images would have one noise.
    """
    found = sorted(_captions(text, what), key=lambda caption: caption.id)
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


def captions_by_file(text: str, what: str) -> dict[str, str]:
    """The first caption of each image that has one, by the name of its file; InputError as above."""
    first = captions_of_images(text, what)
    return {
        unicodedata.normalize("NFC", row.text("file_name")): first[_id(row, "id")]
        for row in _records(text, what, "images", "image")
        if _id(row, "id") in first
    }


def image_files(text: str, what: str) -> set[str]:
    """The names of the image files that the captions file lists; InputError as above."""
    return {
        unicodedata.normalize("NFC", row.text("file_name")) for row in _records(text, what, "images", "image")
    }


def files_of_captions(text: str, what: str) -> dict[int, str]:
    """The name of the image file that each caption describes, by the caption's id; InputError as above."""
    names = {
        _id(row, "id"): unicodedata.normalize("NFC", row.text("file_name"))
        for row in _records(text, what, "images", "image")
    }
    return {caption.id: names[caption.image] for caption in captions(text, what) if caption.image in names}


def _captions(text: str, what: str) -> Iterator[Caption]:
    for row in _records(text, what, "annotations", "annotation"):
        caption = row.values.get("caption")
        if not isinstance(caption, str) or caption.strip():
            yield Caption(_id(row, "id"), _id(row, "image_id"), " ".join(row.text("caption").split()))


def _id(row: Row, key: str) -> int:
    value = row.values.get(key)
    if isinstance(value, str) and re.fullmatch("[0-9]{1,18}", value):
        return int(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    raise InputError(f"{row.where}: {key} is {value!r:.80}, not a whole number")


def _records(text: str, what: str, key: str, kind: str) -> Iterator[Row]:
    """Yield the objects of the list under `key`; messages call each a `kind` and give its number."""
    try:
        path = existing_file(text, what)
    except InputError as error:
        raise InputError(f"{error}: the captions are in {SOURCE}") from None
    where = f"{what}: {path}"
    content: Any = parsed_json(decoded(path.read_bytes(), where), where)
    records = content.get(key) if isinstance(content, dict) else None
    if not isinstance(records, list):
        raise InputError(f"{where} is not a COCO captions file, such as captions_val2017.json")
    for number, record in enumerate(records, start=1):
        if not isinstance(record, dict):
            raise InputError(f"{where}, {kind} {number}: not a JSON object")
        yield Row(f"{where}, {kind} {number}", record, "key")
