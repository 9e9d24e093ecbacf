"""Reference sets: real images that generated ones are compared with; a run computes their features once."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pyarrow as pa

from metrics import MetricsError, Protocol
from metrics.evaluate import Reference, prepare, prepare_all
from metrics.features import Extractor
from metrics.reference_stats import check_stats, read_stats
from sdbench.core.digest import SHORT, digest_bytes, digest_file, digest_value
from sdbench.core.environment import best_device
from sdbench.core.errors import InputError
from sdbench.core.paths import existing_path
from sdbench.core.progress import Note
from sdbench.data.coco import image_files
from sdbench.data.image_sets import ImageSet, open_image_set
from sdbench.runs.parquet import (
    IDENTITY,
    as_json,
    fixed_size_lists,
    read_whole,
    rows_of_lists,
    write_table,
)
from sdbench.runs.store import Store
from sdbench.scoring.extract import image_features
from sdbench.scoring.extractors import Build, build_same
from sdbench.spec import FEWEST, CocoReference, FolderReference, ShapesReference, StatsReference

__all__ = [
    "STATS_SUFFIX",
    "Real",
    "ReferenceSet",
    "load_reference",
    "prepare_images",
    "prepare_stats",
    "reference_features",
    "reference_of",
]

PROBE = 16
"""Number of images hashed to identify a rendered set; a change to the renderer changes them too."""

STATS_SUFFIX = ".safetensors"
"""Suffix of the files in a folder of statistics; their names are those of the extractors."""

SECONDS_BETWEEN_NOTES = 15


@dataclass(frozen=True)
class ReferenceSet:
    """A set of real images: its identity as a JSON value, and a function from batch size to batches.

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
    """What a protocol's formula needs of the reference set.

    Attributes:
        prepared: The set in the form that the formula takes.
        note: What the note of each value must say about the reference set.
        digest: Identifies the images, or the file of their statistics.
    """

    prepared: Reference
    note: str = ""
    digest: str = ""


def load_reference(
    spec: ShapesReference | FolderReference | CocoReference, image_size: tuple[int, int]
) -> ReferenceSet:
    """Return the reference set of `spec`. Hashes the files but decodes none of them yet.

    Args:
        spec: The `reference` of an experiment spec.
        image_size: (height, width) that the images are fitted to.

    Raises:
        InputError: Files are missing or hold no images.
    """
    match spec:
        case ShapesReference():
            return _shapes(spec)
        case FolderReference():
            return reference_of(open_image_set(spec.path, "reference.path", FEWEST), image_size)
        case CocoReference():
            return reference_of(_coco(spec), image_size)


def reference_features(
    store: Store,
    reference: ReferenceSet,
    identities: Mapping[str, str],
    build: Build,
    batch_size: int,
    note: Note,
) -> dict[str, np.ndarray]:
    """Return features float32 [m, d] of all reference images by extractor; compute and store missing ones.

    Stored features are used only if reference set, identity and batch size are the same. Missing ones take
    one pass over the images.

    Args:
        store: The run's store.
        reference: The reference set.
        identities: Identities of the features by extractor.
        build: Builds an extractor.
        batch_size: Images per batch.
        note: Called with a line if features are computed.

    Raises:
        InputError: An extractor built here has another identity.
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
    reference: ReferenceSet,
    protocols: Iterable[Protocol],
    identities: Mapping[str, str],
    build: Build,
    batch_size: int,
    note: Note,
) -> dict[str, Real]:
    """Return what each protocol needs of the reference set, by the protocol's name; all must be distances.

    `note` is called with the features that are computed.

    Raises:
        InputError: The images or features cannot be used.
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
    """Like `prepare_images`, but from statistics.

    What a file does not say about itself is noted.

    Args:
        spec: Names a file of statistics, or a folder with a file per extractor.
        protocols: The protocols; all must be distances.
        build: Builds an extractor.
        image_size: (height, width) of the generated images.

    Raises:
        InputError: A file cannot be read, or belongs to another protocol, extractor or weights.
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


def _counted(batches: Iterator[np.ndarray], note: Note) -> Iterator[np.ndarray]:
    """Yield the batches, calling `note` with the number of images done every 15 seconds."""
    done, noted = 0, time.monotonic()
    for batch in batches:
        yield batch
        done += len(batch)
        if time.monotonic() - noted > SECONDS_BETWEEN_NOTES:
            note(f"{done} reference images measured")
            noted = time.monotonic()


def _stamp(reference: ReferenceSet, identity: str, batch_size: int) -> dict[str, Any]:
    """Return the identity of stored features. The batch size is part: it can change their last bit."""
    return {
        "reference": reference.identity,
        "extractor": identity,
        "batch_size": batch_size,
    }


def _key(extractor: str, stamp: Mapping[str, Any]) -> str:
    return f"reference/{extractor}_{digest_value(stamp)[:SHORT]}.parquet"


def _write(store: Store, extractor: str, stamp: Mapping[str, Any], features: np.ndarray) -> None:
    table = pa.table({f"features_{extractor}": fixed_size_lists(features)})
    write_table(store, _key(extractor, stamp), table, {IDENTITY: as_json(stamp)})


def _read(store: Store, extractor: str, stamp: Mapping[str, Any]) -> np.ndarray | None:
    key = _key(extractor, stamp)
    if not store.exists(key):
        return None
    return rows_of_lists(read_whole(store, key, stamp).column(0))


def _shapes(spec: ShapesReference) -> ReferenceSet:
    from reference_model import shapes

    probe, _ = shapes.reference_set(min(PROBE, spec.count), spec.seed)

    def batches(size: int) -> Iterator[np.ndarray]:
        images, _ = shapes.reference_set(spec.count, spec.seed)
        for start in range(0, len(images), size):
            yield images[start : start + size]

    identity = {**spec.model_dump(mode="json"), "probe": digest_bytes(probe.tobytes())}
    return ReferenceSet(identity, batches)


def reference_of(images: ImageSet, image_size: tuple[int, int]) -> ReferenceSet:
    """Return the reference set of real images, fitted to (height, width)."""
    height, width = image_size
    identity = {"source": "folder", "height": height, "width": width, "content": images.digest()}
    return ReferenceSet(
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
