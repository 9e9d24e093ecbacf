"""What distances need of a reference set: its features, which a run computes once, or statistics of it."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from metrics import MetricsError, Protocol
from metrics.evaluate import Reference, prepare, prepare_all
from metrics.features import Extractor
from metrics.reference_stats import check_stats, read_stats
from sdbench.core.digest import digest_file, digest_value
from sdbench.core.environment import best_device
from sdbench.core.errors import InputError
from sdbench.core.paths import existing_path, file_name
from sdbench.core.progress import Note
from sdbench.runs.reference_features import read_features, write_features
from sdbench.runs.store import Store
from sdbench.scoring.extract import image_features, text_features
from sdbench.scoring.extractors import Build, build_same, extractors_of, features_identity
from sdbench.scoring.pairs import OfPrompts
from sdbench.scoring.pictures import PICTURES
from sdbench.scoring.reference_cache import ReferenceCache
from sdbench.scoring.reference_sets import ReferenceSet
from sdbench.spec import StatsReference

__all__ = [
    "STATS_SUFFIX",
    "Real",
    "captions_needed",
    "own_images",
    "own_reference",
    "prepare_images",
    "prepare_stats",
    "reference_features",
]

STATS_SUFFIX = ".safetensors"
"""Suffix of the files in a folder of statistics; their names are those of the extractors."""

SECONDS_BETWEEN_NOTES = 15


@dataclass(frozen=True)
class Real:
    """What a protocol's formula needs of the reference set.

    Attributes:
        prepared: The set in the form that the formula takes; None if each image has its own.
        note: What the note of each value must say about the reference set.
        digest: Identifies the images, or the file of their statistics.
    """

    prepared: Reference | None
    note: str = ""
    digest: str = ""


def captions_needed(protocols: Iterable[Protocol], reference: ReferenceSet | None) -> Sequence[str]:
    """Return the captions of the reference images if a protocol needs them, else an empty list.

    Raises:
        InputError: A protocol needs them, and images have none.
    """
    asking = [protocol.name for protocol in protocols if protocol.formula.needs_captions]
    if not asking:
        return []
    why = f"{asking[0]} needs a caption of each real image"
    if reference is None:
        raise InputError(f"reference: {why}: give images, not statistics")
    try:
        return reference.captions()
    except InputError as error:
        raise InputError(f"{error}; {why}: as IMAGE.txt beside it, or in COCO's captions") from None


def reference_features(
    store: Store,
    reference: ReferenceSet,
    identities: Mapping[str, str],
    build: Build,
    batch_size: int,
    note: Note,
) -> dict[str, np.ndarray]:
    """Return features float32 [m, d] of all reference images by extractor; store those that are missing.

    They come from the run, or else from the user's cache, if reference set, identity and batch size are the
    same; others take one pass over the images.

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
    cache = ReferenceCache(best_device(), note)
    found: dict[str, np.ndarray] = {}
    for name, stamp in stamps.items():
        rows = read_features(store, name, stamp)
        if rows is None and (rows := cache.read(name, stamp)) is not None:
            write_features(store, name, stamp, rows)
        if rows is not None:
            found[name] = rows
    missing = {name: build_same(build, name, identities[name]) for name in stamps if name not in found}
    if missing:
        note(f"features of the reference images by {', '.join(missing)}")
        made = image_features(missing, _counted(reference.batches(batch_size), note))
        for name, rows in made.items():
            write_features(store, name, stamps[name], rows)
            cache.write(name, stamps[name], rows)
        found |= made
    return {name: found[name] for name in stamps}


def own_images(protocols: Iterable[Protocol], reference: ReferenceSet | None) -> OfPrompts | None:
    """Return the reference images by prompt if a protocol compares each image with its own, or else None.

    Raises:
        InputError: Images of the reference set belong to no prompt.
    """
    paired = [protocol.name for protocol in protocols if protocol.with_reference]
    if not paired:
        return None
    if reference is None or reference.of_prompts is None:
        raise InputError(
            f"reference: {paired[0]} compares each image with a reference image of its own: give a folder of "
            "images named after the ids of the prompts, or COCO's images with its captions as prompts"
        )
    return reference.of_prompts


def own_reference(protocols: Iterable[Protocol], reference: ReferenceSet) -> dict[str, Real]:
    """Return what rows say about the reference set for those that compare each image with its own."""
    return {p.name: Real(None, digest=reference.digest) for p in protocols if p.with_reference}


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
    if not protocols:
        return {}
    if reference.about:
        note(f"reference images: passed over: {reference.about}")
    needed = {name: identities[name] for name in extractors_of(protocols)}
    captions = captions_needed(protocols, reference)
    features: dict[str, Any] = dict(reference_features(store, reference, needed, build, batch_size, note))
    features[PICTURES] = _Batches(reference, batch_size)
    readers = extractors_of(protocol for protocol in protocols if protocol.formula.needs_captions)
    texts = {
        name: _caption_features(store, captions, build_same(build, name, identities[name]), batch_size)
        for name in readers
    }
    try:
        prepared = prepare_all(protocols, features, best_device(), texts)
    except MetricsError as error:
        raise InputError(f"reference: {error}") from None
    said = reference.note and f"reference {reference.note}"
    with_captions = digest_value([reference.digest, list(captions)])
    return {
        p.name: Real(prepared[p.name], said, with_captions if p.formula.needs_captions else reference.digest)
        for p in protocols
    }


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
        if protocol.extractor == PICTURES:
            raise InputError(f"reference: {protocol.name} needs real images themselves, not their statistics")
        file = path / f"{file_name(protocol.extractor)}{STATS_SUFFIX}" if path.is_dir() else path
        try:
            reals[protocol.name] = _from_stats(file, protocol, build(protocol.extractor), image_size)
        except MetricsError as error:
            raise InputError(f"reference.path: {error}") from None
    return reals


def _caption_features(
    store: Store, captions: Sequence[str], extractor: Extractor, batch_size: int
) -> np.ndarray:
    """Return features float32 [m, d] of captions, stored in the run; prepared once a run, so not cached."""
    name = f"captions-{extractor.name}"
    stamp = {
        "captions": digest_value(list(captions)),
        "extractor": features_identity(extractor),
        "batch_size": batch_size,
    }
    rows = read_features(store, name, stamp)
    if rows is None:
        rows = text_features({extractor.name: extractor}, captions, batch_size)[extractor.name]
        write_features(store, name, stamp, rows)
    return rows


@dataclass(frozen=True)
class _Batches:
    """The reference images themselves, for metrics of whole sets."""

    reference: ReferenceSet
    size: int

    def batches(self) -> Iterator[np.ndarray]:
        return self.reference.batches(self.size)


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
