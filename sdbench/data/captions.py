"""Which prompt an image was made from, where others made it: the mapping has to be said, never guessed."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from sdbench.core.errors import InputError
from sdbench.core.paths import existing_file
from sdbench.data import coco
from sdbench.data.image_sets import ImageSet
from sdbench.data.prompts import load_prompts
from sdbench.spec import FilePrompts

__all__ = ["MAPPINGS", "Caption", "captions_of"]

FILE_KEYS, TEXT_KEYS = ("file_name", "file"), ("prompt", "text")
METADATA = "metadata.jsonl"


@dataclass(frozen=True)
class Caption:
    """An image's prompt, and what whoever made the image flagged it with, such as "unsafe"."""

    prompt: str
    flags: str = ""


def captions_of(images: ImageSet, mapping: str, prompts: str | None) -> list[Caption]:
    """The captions in the order of the images; `prompts` is the path of the file that the mapping reads.

    InputError where an image has no prompt, a prompt no image, or the file is not what the mapping needs.
    """
    return MAPPINGS[mapping](images, prompts)


def _by_index(images: ImageSet, prompts: str | None) -> list[Caption]:
    lines = load_prompts(FilePrompts(source="file", path=_needed(prompts, "index")))
    if len(lines) != len(images.names):
        raise InputError(
            f"prompts: {prompts} holds {len(lines)} prompts and {images.where.removeprefix('images: ')} "
            f"{len(images.names)} images; mapping index wants one for one"
        )
    return [Caption(line.text) for line in lines]


def _by_name(images: ImageSet, prompts: str | None) -> list[Caption]:
    lines = load_prompts(FilePrompts(source="file", path=_needed(prompts, "name")))
    captions = {line.id: Caption(line.text) for line in lines}
    return _matched(images, captions, lambda name: PurePosixPath(name).stem)


def _by_sidecar(images: ImageSet, prompts: str | None) -> list[Caption]:
    if prompts is not None:
        raise InputError("mapping sidecar reads IMAGE.txt beside each image: leave --prompts away")
    sidecars = [str(PurePosixPath(name).with_suffix(".txt")) for name in images.names]
    there = set(images.files.names)
    missing = [name for name in sidecars if name not in there]
    if missing:
        raise InputError(f"{images.where}: {len(missing)} images have no text, the first lacks {missing[0]}")
    texts = [
        _text(blob, name).strip() for name, blob in zip(sidecars, images.files.read(sidecars), strict=True)
    ]
    empty = [name for name, text in zip(sidecars, texts, strict=True) if not text]
    if empty:
        raise InputError(f"{images.where}: {empty[0]} is empty")
    return [Caption(" ".join(text.split())) for text in texts]


def _by_csv(images: ImageSet, prompts: str | None) -> list[Caption]:
    path = existing_file(_needed(prompts, "csv"), "prompts")
    records = csv.DictReader(io.StringIO(_text(path.read_bytes(), str(path)), newline=""))
    return _matched(images, _captions(records, str(path), ""), str)


def _by_jsonl(images: ImageSet, prompts: str | None) -> list[Caption]:
    captions: dict[str, Caption] = {}
    for name, blob, folder in _metadata(images, prompts):
        lines = [line for line in _text(blob, name).splitlines() if line.strip()]
        try:
            records = [dict(json.loads(line)) for line in lines]
        except (ValueError, TypeError):
            raise InputError(f"prompts: {name} is not JSON Lines, an object a line") from None
        captions |= _captions(records, name, folder)
    return _matched(images, captions, str)


def _by_coco(images: ImageSet, prompts: str | None) -> list[Caption]:
    texts = coco.captions_of_images(_needed(prompts, "coco"), "prompts")
    captions = {f"{id_:012d}": Caption(text) for id_, text in texts.items()}
    # A captions file describes all of COCO, so images may be fewer.
    return _matched(images, captions, lambda name: PurePosixPath(name).stem[-12:], all_used=False)


MAPPINGS: dict[str, Callable[[ImageSet, str | None], list[Caption]]] = {
    "index": _by_index,
    "name": _by_name,
    "sidecar": _by_sidecar,
    "csv": _by_csv,
    "jsonl": _by_jsonl,
    "coco": _by_coco,
}


def _metadata(images: ImageSet, prompts: str | None) -> Iterable[tuple[str, bytes, str]]:
    """(name, bytes, folder that its file names start at) of the file given, or of those in the set."""
    if prompts is not None:
        path = existing_file(prompts, "prompts")
        return [(str(path), path.read_bytes(), "")]
    names = [name for name in images.files.names if PurePosixPath(name).name == METADATA]
    if not names:
        raise InputError(f"{images.where} holds no {METADATA}; give one by --prompts")
    folders = [str(PurePosixPath(name).parent) for name in names]
    return zip(names, images.files.read(names), folders, strict=True)


def _captions(records: Iterable[Mapping[str, Any]], where: str, folder: str) -> dict[str, Caption]:
    captions = {}
    for place, record in enumerate(records, start=1):
        file, text = (
            _first(record, keys, f"prompts: {where}, record {place}") for keys in (FILE_KEYS, TEXT_KEYS)
        )
        captions[str(PurePosixPath(folder, file))] = Caption(text, str(record.get("flags") or ""))
    return captions


def _first(record: Mapping[str, Any], keys: tuple[str, ...], where: str) -> str:
    found = next((record[key] for key in keys if record.get(key)), None)
    if not isinstance(found, str):
        raise InputError(f"{where}: has no {' or '.join(keys)}")
    return found


def _matched(
    images: ImageSet, captions: Mapping[str, Caption], key: Callable[[str], str], *, all_used: bool = True
) -> list[Caption]:
    missing = [name for name in images.names if key(name) not in captions]
    if missing:
        raise InputError(f"{images.where}: {len(missing)} images have no prompt, the first is {missing[0]}")
    unused = sorted(set(captions) - {key(name) for name in images.names})
    if unused and all_used:
        raise InputError(
            f"{images.where}: {len(unused)} prompts have no image, the first is that of {unused[0]}"
        )
    return [captions[key(name)] for name in images.names]


def _needed(prompts: str | None, mapping: str) -> str:
    if prompts is None:
        raise InputError(f"mapping {mapping} needs --prompts FILE")
    return prompts


def _text(blob: bytes, name: str) -> str:
    try:
        return blob.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise InputError(f"prompts: {name} is not UTF-8 text") from None
