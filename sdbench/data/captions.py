"""Which prompt an image was made from, where others made it: the mapping has to be said, never guessed."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import PurePosixPath

from sdbench.core.errors import InputError
from sdbench.core.paths import existing_file
from sdbench.data import coco
from sdbench.data.image_sets import ImageSet
from sdbench.data.image_texts import prompt_in_png, without_settings
from sdbench.data.prompts import load_prompts
from sdbench.data.rows import Row, csv_rows, decoded, json_rows, usable
from sdbench.spec import FilePrompts

__all__ = ["BESIDE", "MAPPINGS", "Caption", "captions_of"]

FILE_KEYS, TEXT_KEYS = ("file_name", "file"), ("prompt", "text")
METADATA = "metadata.jsonl"

BESIDE = ("sidecar", "jsonl", "metadata", "filename")
"""Mappings that find the prompts in or beside the images, without a file that is named."""

NO_FLAGS = frozenset({"0", "1", "false", "nan", "no", "none", "null", "true", "yes"})
"""Values of tools that write one for every image; as flags they would flag all of them."""


@dataclass(frozen=True)
class Caption:
    """An image's prompt, and what whoever made the image flagged it with, such as "unsafe"."""

    prompt: str
    flags: str = ""


def captions_of(images: ImageSet, mapping: str, prompts: str | None) -> list[Caption]:
    """The captions in the order of the images; `prompts` is the path of the file that the mapping reads.

    InputError if an image has no prompt, a prompt no image, or the file is not what the mapping needs.
    """
    return MAPPINGS[mapping](images, prompts)


def _by_index(images: ImageSet, prompts: str | None) -> list[Caption]:
    lines = load_prompts(FilePrompts(source="file", path=_needed(prompts, "index")))
    if len(lines) != len(images.names):
        raise InputError(
            f"prompts: {prompts} holds {len(lines)} prompts and {images.where.removeprefix('images: ')} "
            f"{len(images.names)} images; mapping index wants one for one"
        )
    _check_order(images)
    return [Caption(line.text) for line in lines]


def _by_name(images: ImageSet, prompts: str | None) -> list[Caption]:
    lines = load_prompts(FilePrompts(source="file", path=_needed(prompts, "name")))
    captions = {line.id: Caption(line.text) for line in lines}
    return _matched(images, captions, lambda name: PurePosixPath(name).stem)


def _by_sidecar(images: ImageSet, prompts: str | None) -> list[Caption]:
    _refuse(prompts, "sidecar reads IMAGE.txt beside each image")
    sidecars = [str(PurePosixPath(name).with_suffix(".txt")) for name in images.names]
    there = set(images.files.names)
    missing = [name for name in sidecars if name not in there]
    if missing:
        raise InputError(f"{images.where}: {len(missing)} images have no text, the first lacks {missing[0]}")
    return [
        Caption(_sidecar(blob, f"{images.where}: {name}"))
        for name, blob in zip(sidecars, images.read(sidecars), strict=True)
    ]


def _by_metadata(images: ImageSet, prompts: str | None) -> list[Caption]:
    _refuse(prompts, "metadata reads the texts in PNG files")
    found = []
    for name, blob in zip(images.names, images.read(images.names), strict=True):
        where = f"{images.where}: {name}"
        try:
            text = prompt_in_png(blob)
        except ValueError as error:
            raise InputError(f"{where} {error}") from None
        found.append(Caption(_prompt(text, where)))
    return found


def _by_filename(images: ImageSet, prompts: str | None) -> list[Caption]:
    _refuse(prompts, "filename reads the names of the images")
    stems = [PurePosixPath(name).stem for name in images.names]
    return [
        Caption(_prompt(stem.replace("_", " "), f"{images.where}: {name}"))
        for name, stem in zip(images.names, stems, strict=True)
    ]


def _by_csv(images: ImageSet, prompts: str | None) -> list[Caption]:
    path = existing_file(_needed(prompts, "csv"), "prompts")
    rows = csv_rows(path.read_bytes(), f"prompts: {path}", FILE_KEYS, TEXT_KEYS)
    return _matched(images, _captions(rows, "", images), str)


def _by_jsonl(images: ImageSet, prompts: str | None) -> list[Caption]:
    captions: dict[str, Caption] = {}
    for where, blob, folder in _metadata(images, prompts):
        for file, caption in _captions(json_rows(blob, where, FILE_KEYS[0]), folder, images).items():
            if file in captions:
                raise InputError(f"{where}: {file} already has a prompt in another {METADATA}")
            captions[file] = caption
    return _matched(images, captions, str)


def _by_coco(images: ImageSet, prompts: str | None) -> list[Caption]:
    texts = coco.captions_of_images(_needed(prompts, "coco"), "prompts")
    captions = {str(id_): Caption(text) for id_, text in texts.items()}
    # A captions file describes all of COCO, so images may be fewer.
    return _matched(images, captions, _image_id, all_used=False)


MAPPINGS: dict[str, Callable[[ImageSet, str | None], list[Caption]]] = {
    "index": _by_index,
    "name": _by_name,
    "sidecar": _by_sidecar,
    "csv": _by_csv,
    "jsonl": _by_jsonl,
    "coco": _by_coco,
    "metadata": _by_metadata,
    "filename": _by_filename,
}


def _check_order(images: ImageSet) -> None:
    """Refuse numbers without zeros: 10.png comes before 2.png by name, so prompts would go astray."""
    alike: dict[str, list[tuple[list[tuple[int, str]], str]]] = {}
    for name in images.names:
        digits = (number.lstrip("0") for number in re.findall(r"[0-9]+", name))
        numbers = [(len(number), number) for number in digits]
        alike.setdefault(re.sub(r"[0-9]+", "0", name), []).append((numbers, name))
    for found in alike.values():
        for (number, name), (following, after) in pairwise(found):
            # Names of one length are as their maker wanted them, such as digests.
            if number > following and len(name) != len(after):
                raise InputError(
                    f"{images.where}: by name {name} comes before {after}, by number after it, so the order "
                    "of the prompts is not clear; write the numbers with leading zeros, or use mapping csv"
                )


def _sidecar(blob: bytes, where: str) -> str:
    """The prompt of a text beside an image, without the settings that web interfaces write after it."""
    return _prompt(without_settings(decoded(blob, where)), where)


def _prompt(text: str, where: str) -> str:
    return " ".join(usable(where, "the prompt", text).split())


def _image_id(name: str) -> str:
    """The number that a file's stem ends in, without leading zeros; the stem if it ends in none."""
    stem = PurePosixPath(name).stem
    digits = re.search(r"[0-9]+$", stem)
    return stem if digits is None else digits[0].lstrip("0") or "0"


def _metadata(images: ImageSet, prompts: str | None) -> Iterable[tuple[str, bytes, str]]:
    """(place for messages, bytes, folder of its file names) of the file given, or of those in the set."""
    if prompts is not None:
        path = existing_file(prompts, "prompts")
        return [(f"prompts: {path}", path.read_bytes(), "")]
    names = [name for name in images.files.names if PurePosixPath(name).name == METADATA]
    if not names:
        raise InputError(f"{images.where} holds no {METADATA}; give one by --prompts")
    folders = [str(PurePosixPath(name).parent) for name in names]
    places = [f"{images.where}: {name}" for name in names]
    return zip(places, images.read(names), folders, strict=True)


def _captions(rows: Iterable[Row], folder: str, images: ImageSet) -> dict[str, Caption]:
    """The captions of a file's rows by the name of their image; no image may be listed twice."""
    captions: dict[str, Caption] = {}
    first: dict[str, str] = {}
    names = set(images.names)
    for row in rows:
        file = _in_set(str(PurePosixPath(folder, row.text(*FILE_KEYS))), names)
        if file in captions:
            raise InputError(f"{row.where}: {file} is listed a second time, first in {first[file]}")
        captions[file] = Caption(row.text(*TEXT_KEYS), _flags(row))
        first[file] = row.where.rsplit(", ", 1)[-1]
    return captions


def _in_set(file: str, names: set[str]) -> str:
    """A file's name as the set writes it: in Unicode form C, with slashes for the backslashes of Windows."""
    file = unicodedata.normalize("NFC", file)
    return file if file in names else file.replace("\\", "/")


def _flags(row: Row) -> str:
    """The flags of a row, comma-joined: a text or a list of texts."""
    given = row.values.get("flags")
    if given is None or given == "" or given == []:
        return ""
    each = given if isinstance(given, list) else str(given).split(",") if isinstance(given, str) else [given]
    flags = [usable(row.where, "flags", flag) for flag in each]
    for flag in flags:
        if flag.lower() in NO_FLAGS:
            raise InputError(
                f"{row.where}: flags: {flag!r} names no flag; write words such as unsafe, or nothing"
            )
    return ",".join(" ".join(flag.split()) for flag in flags)


def _matched(
    images: ImageSet, captions: Mapping[str, Caption], key: Callable[[str], str], *, all_used: bool = True
) -> list[Caption]:
    missing = [name for name in images.names if key(name) not in captions]
    if missing:
        names = f"; the prompts name {min(captions)}" if captions else ""
        raise InputError(
            f"{images.where}: {len(missing)} images have no prompt, the first is {missing[0]}{names}"
        )
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


def _refuse(prompts: str | None, mapping: str) -> None:
    if prompts is not None:
        raise InputError(f"mapping {mapping}: leave --prompts away")
