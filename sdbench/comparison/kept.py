"""A compact baseline: what is known of images without their pixels, in one file small enough for git.

The file is a `Memory` of its own: features by digest of the pixels, as the memory of a machine holds them,
and for each image its numbers and a preview.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from sdbench.comparison.memory import Memory
from sdbench.comparison.pictures import VERSION, Picture
from sdbench.core.errors import InputError, StoreError
from sdbench.core.json import load_json

__all__ = ["FEATURES", "SUFFIX", "Kept", "preview", "read_kept", "write_kept"]

SUFFIX = ".sdbench"
FORMAT = 1
ABOUT, PREVIEW, PICTURE, FEATURES = "about", "preview", "picture", "features "

EDGE, QUALITY = 96, 60
"""Pixels of a preview's longer side, and its quality as WebP: it is looked at, never measured."""


@dataclass(frozen=True, eq=False)
class Kept:
    """A compact baseline.

    Attributes:
        pictures: Every image in numbers, by key.
        previews: A small WebP file of every image that can be read, by key.
        features: The bytes of features float32 [d] by kind, FEATURES and the extractor's identity, and by
            digest of the pixels, with that of the prompt for values that depend on it.
        prompts: The prompt of each key, as far as known.
        metrics: Protocols whose features are kept.
        seed: Seed of the noise, if it is known.
        shapes: Whether a model of the embedded family made the images.
    """

    pictures: Mapping[str, Picture]
    previews: Mapping[str, bytes]
    features: Mapping[str, Mapping[str, bytes]]
    prompts: Mapping[str, str]
    metrics: tuple[str, ...]
    seed: int | None
    shapes: bool


def preview(image: Image.Image) -> bytes:
    """Return an RGB image as a small WebP file."""
    sink = io.BytesIO()
    small = image.copy()
    small.thumbnail((EDGE, EDGE))
    small.save(sink, "WEBP", quality=QUALITY)
    return sink.getvalue()


def write_kept(path: Path, kept: Kept) -> None:
    """Write a baseline to a file, whole or not at all.

    Raises:
        StoreError: The file cannot be written.
    """
    rows = {
        PICTURE: {key: each.to_bytes() for key, each in kept.pictures.items()},
        PREVIEW: dict(kept.previews),
        **{kind: dict(values) for kind, values in kept.features.items()},
    }
    about = {
        "format": FORMAT,
        "pictures": VERSION,
        "digest": _digest(rows),
        "prompts": dict(kept.prompts),
        "metrics": list(kept.metrics),
        "seed": kept.seed,
        "shapes": kept.shapes,
    }
    aside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        aside.unlink(missing_ok=True)
        with Memory(aside) as memory:
            memory.put(ABOUT, {"": json.dumps(about, ensure_ascii=False).encode()})
            for kind, values in rows.items():
                memory.put(kind, values)
        aside.replace(path)
    except (OSError, StoreError):
        raise StoreError(f"{path} cannot be written: is its folder writable, and space left?") from None
    finally:
        with suppress(OSError):  # the error that matters has been raised above
            aside.unlink(missing_ok=True)


def read_kept(path: Path) -> Kept:
    """Read the baseline in a file.

    Raises:
        InputError: The file holds none, is damaged, or is of another version of sdbench.
    """
    try:
        with Memory(path, write=False) as memory:
            rows = memory.everything()
        about = load_json(rows.pop(ABOUT)[""])
        return _kept(path, about, rows)
    except (StoreError, ValueError, TypeError, KeyError, AttributeError):
        raise InputError(
            f"{path} is not a whole baseline that sdbench compare --record wrote: copy or record it again"
        ) from None


def _kept(path: Path, about: Mapping[str, Any], rows: Mapping[str, Mapping[str, bytes]]) -> Kept:
    if (about["format"], about["pictures"]) != (FORMAT, VERSION):
        raise InputError(f"{path}: a baseline of another version of sdbench: record it again")
    if about["digest"] != _digest(rows):
        raise ValueError
    return Kept(
        {key: Picture.from_bytes(each) for key, each in rows[PICTURE].items()},
        rows.get(PREVIEW, {}),
        {kind: each for kind, each in rows.items() if kind.startswith(FEATURES)},
        dict(about["prompts"]),
        tuple(about["metrics"]),
        about["seed"],
        bool(about["shapes"]),
    )


def _digest(rows: Mapping[str, Mapping[str, bytes]]) -> str:
    """Return the sha256 of all rows, whatever the layout of the file that holds them."""
    digest = hashlib.sha256()
    for kind, values in rows.items():
        for key, value in values.items():
            for part in (kind.encode(), key.encode(), value):
                digest.update(len(part).to_bytes(8, "big") + part)
    return digest.hexdigest()
