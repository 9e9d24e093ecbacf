"""Reference images: what generated images are compared with, as features that are computed once a run."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from metrics import MetricsError, Protocol
from metrics.evaluate import Reference as Prepared
from metrics.evaluate import prepare, prepare_all
from metrics.features import Extractor
from metrics.reference_stats import check_stats, read_stats
from sdbench.coco import image_files
from sdbench.digest import SHORT, digest_bytes, digest_value
from sdbench.errors import InputError, StoreError, one_line
from sdbench.extractors import features_identity
from sdbench.image_sets import ImageSet, open_image_set
from sdbench.paths import existing_file
from sdbench.shards import fixed_size_lists, rows_of_lists
from sdbench.spec import FEWEST, CocoReference, FolderReference, ShapesReference, StatsReference
from sdbench.stages.extract import image_features
from sdbench.store import LocalStore

__all__ = ["Real", "Reference", "load_reference", "prepare_images", "prepare_stats", "reference_features"]

PROBE = 16
"""So many images of a rendered set stand for all of it: a change to the renderer changes them too."""

_IDENTITY = b"sdbench.identity"


@dataclass(frozen=True)
class Reference:
    """A set of reference images: its identity as a JSON value, and a way to read it in batches."""

    identity: dict[str, Any]
    batches: Callable[[int], Iterator[np.ndarray]]


@dataclass(frozen=True)
class Real:
    """What a protocol's formula needs of the real images, and what must be said beside each figure."""

    prepared: Prepared
    note: str = ""


def load_reference(
    spec: ShapesReference | FolderReference | CocoReference, image_size: tuple[int, int]
) -> Reference:
    """The reference set of `spec`, with the digest of its files; decodes none of them yet.

    `image_size` is (height, width). InputError where files are missing, or hold no images.
    """
    match spec:
        case ShapesReference():
            return _shapes(spec)
        case FolderReference():
            return _images(open_image_set(spec.path, "reference.path", FEWEST), image_size)
        case CocoReference():
            return _images(_coco(spec), image_size)


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


def prepare_images(
    store: LocalStore,
    reference: Reference,
    protocols: Iterable[Protocol],
    extractors: Mapping[str, Extractor],
    batch_size: int,
    note: Callable[[str], None],
) -> dict[str, Real]:
    """What each protocol, all of which compare with real images, needs of them, by the protocol's name.

    `note` is told which features are computed. InputError where the images or features cannot be used.
    """
    protocols = list(protocols)
    features = {}
    for name in sorted({protocol.extractor for protocol in protocols}):
        note(f"features of the reference images by {name}")
        network = extractors[name]
        features[name] = reference_features(store, reference, network, features_identity(network), batch_size)
    try:
        prepared = prepare_all(protocols, features)
    except MetricsError as error:
        raise InputError(f"reference: {error}") from None
    return {name: Real(needed) for name, needed in prepared.items()}


def prepare_stats(
    spec: StatsReference,
    protocols: Iterable[Protocol],
    extractors: Mapping[str, Extractor],
    image_size: tuple[int, int],
) -> dict[str, Real]:
    """As `prepare_images`, from a file of statistics; `image_size` (height, width) is the generated images'.

    InputError where the file cannot be read or is of another protocol, extractor or weights; what it leaves
    open otherwise stands in the notes.
    """
    path = existing_file(spec.path, "reference.path")
    try:
        stats = read_stats(path)
    except MetricsError as error:
        raise InputError(f"reference.path: {error}") from None

    def real(protocol: Protocol) -> Real:
        network = extractors[protocol.extractor]
        notes = check_stats(
            stats, protocol, dim=network.dim, image_size=image_size, weights_digest=network.digest
        )
        return Real(prepare(protocol, stats.best), "; ".join(notes))

    try:
        return {protocol.name: real(protocol) for protocol in protocols if protocol.needs_reference}
    except MetricsError as error:
        raise InputError(f"reference.path: {path}: {error}") from None


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


def _images(images: ImageSet, image_size: tuple[int, int]) -> Reference:
    height, width = image_size
    identity = {"source": "folder", "height": height, "width": width, "content": images.digest()}
    return Reference(identity, lambda batch_size: images.fitted(height, width, batch_size))


def _coco(spec: CocoReference) -> ImageSet:
    images = open_image_set(spec.path, "reference.path", FEWEST)
    wanted = image_files(spec.captions, "reference.captions")
    chosen = images.only(lambda name: PurePosixPath(name).name in wanted)
    missing = wanted - {PurePosixPath(name).name for name in chosen.names}
    if missing:
        lacking = f"{len(missing)} of {len(wanted)} images, the first is {min(missing)}"
        raise InputError(f"{images.where} lacks {lacking}")
    if len(chosen.names) < FEWEST:
        raise InputError(
            f"reference.captions: {spec.captions} lists {len(wanted)} images, {FEWEST} are needed"
        )
    return chosen
