"""Reference images: what generated images are compared with, as features that are computed once a run."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image, ImageOps, UnidentifiedImageError

from metrics.features import Extractor
from sdbench.digest import SHORT, digest_bytes, digest_file, digest_value
from sdbench.errors import InputError, StoreError, one_line
from sdbench.paths import existing_folder
from sdbench.shards import fixed_size_lists, rows_of_lists
from sdbench.spec import FEWEST, FolderReference, ShapesReference
from sdbench.stages.extract import image_features
from sdbench.store import LocalStore

__all__ = ["Reference", "load_reference", "reference_features"]

SUFFIXES = {".png", ".jpg", ".jpeg", ".webp"}
PROBE = 16
"""So many images of a rendered set stand for all of it: a change to the renderer changes them too."""

_IDENTITY = b"sdbench.identity"


@dataclass(frozen=True)
class Reference:
    """A set of reference images: its identity as a JSON value, and a way to read it in batches."""

    identity: dict[str, Any]
    batches: Callable[[int], Iterator[np.ndarray]]


def load_reference(spec: ShapesReference | FolderReference, image_size: tuple[int, int]) -> Reference:
    """The reference set of `spec`; reads what identifies it, not yet all images.

    `image_size` is (height, width). InputError where a folder is missing or holds no image.
    """
    match spec:
        case ShapesReference():
            return _shapes(spec)
        case FolderReference():
            return _folder(spec, image_size)


def reference_features(
    store: LocalStore, reference: Reference, extractor: Extractor, extractor_identity: str, batch_size: int
) -> np.ndarray:
    """Features float32 [m, d] of all reference images: those stored in the run, or computed and stored.

    Stored ones are used only where the set and the extractor are the same by content.
    """
    # The batch size moves the last bit, and two runs of one spec must agree in it.
    identity = {"reference": reference.identity, "extractor": extractor_identity, "batch_size": batch_size}
    key = f"reference/{extractor.name}_{digest_value(identity)[:SHORT]}.parquet"
    stamp = json.dumps(identity, sort_keys=True).encode()
    if store.exists(key):
        return _read(store, key, stamp)
    features = image_features({extractor.name: extractor}, reference.batches(batch_size))[extractor.name]
    table = pa.table({f"features_{extractor.name}": fixed_size_lists(features)})
    sink = io.BytesIO()
    pq.write_table(table.replace_schema_metadata({_IDENTITY: stamp}), sink)
    store.write(key, sink.getvalue())
    return features


def _read(store: LocalStore, key: str, stamp: bytes) -> np.ndarray:
    with store.open(key) as stream:
        try:
            table = pq.read_table(stream)
        except (pa.ArrowInvalid, OSError) as error:
            why = one_line(error)
            raise StoreError(f"{store.path(key)}: damaged ({why}); delete it and run again") from None
    if (table.schema.metadata or {}).get(_IDENTITY) != stamp:
        raise StoreError(f"{store.path(key)}: is not the file of its name; delete it and run again")
    return rows_of_lists(table.column(0))


def _shapes(spec: ShapesReference) -> Reference:
    from reference_model import shapes

    probe, _ = shapes.reference_set(min(PROBE, spec.count), spec.seed)

    def batches(size: int) -> Iterator[np.ndarray]:
        images, _ = shapes.reference_set(spec.count, spec.seed)
        for start in range(0, len(images), size):
            yield images[start : start + size]

    identity = {**spec.model_dump(mode="json"), "probe": digest_bytes(probe.tobytes())}
    return Reference(identity, batches)


def _folder(spec: FolderReference, image_size: tuple[int, int]) -> Reference:
    folder = existing_folder(spec.path, "reference.path")
    files = sorted(p for p in folder.iterdir() if p.suffix.lower() in SUFFIXES and p.is_file())
    if len(files) < FEWEST:
        kinds = ", ".join(sorted(SUFFIXES))
        raise InputError(f"reference.path: {folder} holds {len(files)} images ({kinds}), {FEWEST} are needed")
    height, width = image_size

    def batches(size: int) -> Iterator[np.ndarray]:
        for start in range(0, len(files), size):
            yield np.stack([_fitted(path, height, width) for path in files[start : start + size]])

    content = digest_value([digest_file(path) for path in files])
    return Reference({"source": "folder", "height": height, "width": width, "content": content}, batches)


def _fitted(path: Path, height: int, width: int) -> np.ndarray:
    try:
        with Image.open(path) as image:
            fitted = ImageOps.fit(image.convert("RGB"), (width, height), Image.Resampling.LANCZOS)
            return np.asarray(fitted)
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError) as error:
        raise InputError(f"reference.path: {path} cannot be read as an image: {one_line(error)}") from None
