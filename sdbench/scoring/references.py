"""Reference images: what generated images are compared with, as features that are computed once a run."""

from __future__ import annotations

import io
import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from metrics import MetricsError, Protocol
from metrics.evaluate import Reference as Prepared
from metrics.evaluate import prepare, prepare_all
from metrics.features import Extractor
from metrics.reference_stats import check_stats, read_stats
from sdbench.core.digest import SHORT, digest_bytes, digest_file, digest_value
from sdbench.core.environment import best_device
from sdbench.core.errors import InputError, StoreError
from sdbench.core.paths import existing_path
from sdbench.data.coco import image_files
from sdbench.data.image_sets import ImageSet, open_image_set
from sdbench.runs.shards import (
    AGAIN,
    CHANGED,
    CONTENT,
    IDENTITY,
    content_digest,
    fixed_size_lists,
    is_as_written,
    read_table,
    rows_of_lists,
)
from sdbench.runs.store import Store
from sdbench.scoring.extract import image_features
from sdbench.scoring.extractors import Build, build_same
from sdbench.spec import FEWEST, CocoReference, FolderReference, ShapesReference, StatsReference

__all__ = [
    "STATS_SUFFIX",
    "Real",
    "Reference",
    "load_reference",
    "prepare_images",
    "prepare_stats",
    "reference_features",
]

PROBE = 16
"""So many images of a rendered set stand for all of it: a change to the renderer changes them too."""

STATS_SUFFIX = ".safetensors"
"""Of the files in a folder of statistics, which are named after their extractors."""

SECONDS_BETWEEN_NOTES = 15


@dataclass(frozen=True)
class Reference:
    """A set of reference images: its identity as a JSON value, and a way to read it in batches.

    `passed_over` counts what its folder or archive holds besides, by rule; `about` says it in words, and
    `note` says what values must say of it.
    """

    identity: dict[str, Any]
    batches: Callable[[int], Iterator[np.ndarray]]
    passed_over: Mapping[str, int] = field(default_factory=dict)
    about: str = ""
    note: str = ""


@dataclass(frozen=True)
class Real:
    """What a protocol's formula needs of the real images, and what must be said beside each figure.

    `digest` identifies the images, or the file of their statistics.
    """

    prepared: Prepared
    note: str = ""
    digest: str = ""


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
    store: Store,
    reference: Reference,
    identities: Mapping[str, str],
    build: Build,
    batch_size: int,
    note: Callable[[str], None],
) -> dict[str, np.ndarray]:
    """Features float32 [m, d] of all reference images by extractor: those that are stored, or new ones.

    `identities` maps an extractor's name to the identity of its features. Stored features are used only if
    set and identity are the same. For the others the extractors are built, the images are read once, and the
    features are stored; `note` is told so. InputError if an extractor built here has another identity.
    """
    stamps = {name: _stamp(reference, identity, batch_size) for name, identity in identities.items()}
    found = {name: _read(store, name, stamp) for name, stamp in stamps.items()}
    missing = {
        name: build_same(build, name, identities[name]) for name, rows in found.items() if rows is None
    }
    if missing:
        note(f"features of the reference images by {', '.join(missing)}")
        made = image_features(missing, _counted(reference.batches(batch_size), note))
        for name, rows in made.items():
            _write(store, name, stamps[name], rows)
        found |= made
    return {name: rows for name, rows in found.items() if rows is not None}


def prepare_images(
    store: Store,
    reference: Reference,
    protocols: Iterable[Protocol],
    identities: Mapping[str, str],
    build: Build,
    batch_size: int,
    note: Callable[[str], None],
) -> dict[str, Real]:
    """What each protocol, all of which compare with real images, needs of them, by the protocol's name.

    `note` is told which features are computed. InputError where the images or features cannot be used.
    """
    protocols = list(protocols)
    if reference.about:
        note(f"reference images: passed over: {reference.about}")
    needed = {name: identities[name] for name in sorted({protocol.extractor for protocol in protocols})}
    features = reference_features(store, reference, needed, build, batch_size, note)
    try:
        prepared = prepare_all(protocols, features, best_device())
    except MetricsError as error:
        raise InputError(f"reference: {error}") from None
    digest = digest_value(reference.identity)
    said = reference.note and f"reference {reference.note}"
    return {name: Real(real, said, digest) for name, real in prepared.items()}


def prepare_stats(
    spec: StatsReference,
    protocols: Iterable[Protocol],
    build: Build,
    image_size: tuple[int, int],
) -> dict[str, Real]:
    """As `prepare_images`, from a file of statistics, or from a folder with a file for each extractor.

    `image_size` (height, width) is the generated images'. InputError where a file cannot be read or is of
    another protocol, extractor or weights; what it leaves open otherwise stands in the notes.
    """
    path = existing_path(spec.path, "reference.path")
    reals = {}
    for protocol in protocols:
        file = path / f"{protocol.extractor}{STATS_SUFFIX}" if path.is_dir() else path
        try:
            reals[protocol.name] = _from_stats(file, protocol, build(protocol.extractor), image_size)
        except MetricsError as error:
            raise InputError(f"reference.path: {error}") from None
    return reals


def _from_stats(file: Path, protocol: Protocol, network: Extractor, image_size: tuple[int, int]) -> Real:
    stats = read_stats(file)
    try:
        notes = check_stats(
            stats, protocol, dim=network.dim, image_size=image_size, weights_digest=network.digest
        )
        return Real(prepare(protocol, stats.best, best_device()), "; ".join(notes), digest_file(file))
    except MetricsError as error:
        raise MetricsError(f"{file}: {error}") from None


def _counted(batches: Iterator[np.ndarray], note: Callable[[str], None]) -> Iterator[np.ndarray]:
    """The batches, with a word on how far they are now and then."""
    done, said = 0, time.monotonic()
    for batch in batches:
        yield batch
        done += len(batch)
        if time.monotonic() - said > SECONDS_BETWEEN_NOTES:
            note(f"{done} reference images measured")
            said = time.monotonic()


def _stamp(reference: Reference, identity: str, batch_size: int) -> dict[str, Any]:
    """What stored features are of; the batch size moves the last bit, and two runs must agree in it."""
    return {
        "reference": reference.identity,
        "extractor": identity,
        "batch_size": batch_size,
    }


def _key(extractor: str, stamp: Mapping[str, Any]) -> str:
    return f"reference/{extractor}_{digest_value(stamp)[:SHORT]}.parquet"


def _write(store: Store, extractor: str, stamp: Mapping[str, Any], features: np.ndarray) -> None:
    table = pa.table({f"features_{extractor}": fixed_size_lists(features)})
    sink = io.BytesIO()
    metadata = {IDENTITY: _json(stamp), CONTENT: content_digest(table).encode()}
    pq.write_table(table.replace_schema_metadata(metadata), sink)
    store.write(_key(extractor, stamp), sink.getvalue())


def _read(store: Store, extractor: str, stamp: Mapping[str, Any]) -> np.ndarray | None:
    key = _key(extractor, stamp)
    if not store.exists(key):
        return None
    table = read_table(store, key)
    if (table.schema.metadata or {}).get(IDENTITY) != _json(stamp):
        raise StoreError(f"{store.where(key)}: is not the file of its name; {AGAIN}")
    if not is_as_written(table):
        raise StoreError(f"{store.where(key)}: {CHANGED}; {AGAIN}")
    return rows_of_lists(table.column(0))


def _json(stamp: Mapping[str, Any]) -> bytes:
    return json.dumps(stamp, sort_keys=True).encode()


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
    return Reference(
        identity,
        lambda batch_size: images.fitted(height, width, batch_size),
        images.counts,
        images.about,
        images.note,
    )


def _coco(spec: CocoReference) -> ImageSet:
    images = open_image_set(spec.path, "reference.path", FEWEST)
    wanted = image_files(spec.captions, "reference.captions")
    chosen = images.only(lambda name: PurePosixPath(name).name in wanted)
    chosen = replace(chosen, passed_over={})  # the captions name what counts
    missing = wanted - {PurePosixPath(name).name for name in chosen.names}
    if missing:
        lacking = f"{len(missing)} of {len(wanted)} images, the first is {min(missing)}"
        raise InputError(f"{images.where} lacks {lacking}")
    if len(chosen.names) < FEWEST:
        raise InputError(
            f"reference.captions: {spec.captions} lists {len(wanted)} images, {FEWEST} are needed"
        )
    return chosen
