"""Scores images that others made, by the protocols of a sweep."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import ValidationError

from metrics import PROTOCOLS, Protocol
from metrics.features import Extractor
from sdbench.core import environment
from sdbench.core.digest import digest_pixels, digest_value
from sdbench.core.errors import InputError, did_you_mean, encodable
from sdbench.core.paths import typed_path
from sdbench.core.precision import full_precision
from sdbench.core.progress import ImageProgress
from sdbench.data.captions import Caption, captions_of
from sdbench.data.image_sets import Batch, ImageSet, open_image_set
from sdbench.runs.store import LocalStore, Store
from sdbench.runs.tables import FlaggedRow, ProtocolRow, ResultRow, write_images, write_results, write_rows
from sdbench.scoring.audit import TRUNCATED, audit, first_sight, thumbnail
from sdbench.scoring.extract import Features, image_features, text_features
from sdbench.scoring.extractors import build_extractor, features_identity
from sdbench.scoring.measure import MetricValue, image_table, measure, protocol_rows
from sdbench.scoring.place import RECORD, check_place, record
from sdbench.scoring.references import STATS_SUFFIX, Real, load_reference, prepare_images, prepare_stats
from sdbench.scoring.sample import Sample
from sdbench.spec import FEWEST, FolderReference, ShapesReference, StatsReference

__all__ = ["ScoringRequest", "find_protocols", "score_images"]

BATCH_SIZE = 32
"""Fixed: it can change the last bit of features, and scoring a folder twice must give equal values."""


@dataclass(frozen=True)
class ScoringRequest:
    """What to score: paths as the user gave them, a key of MAPPINGS, and names of protocols."""

    images: str
    prompts: str | None
    mapping: str
    reference: str | None
    metrics: tuple[str, ...]


@dataclass(frozen=True)
class _Scan:
    """The result of one pass over the images."""

    features: Features
    flags: list[str]
    sha256: list[str]
    thumbnails: np.ndarray


def score_images(request: ScoringRequest, root: Path, progress: ImageProgress) -> list[ResultRow]:
    """Score the images, write tables and scored.json into the folder `root`, and return the rows of results.

    One pass over the images feeds all extractors.

    Raises:
        InputError: Something that the request names is missing or does not fit.
    """
    full_precision()
    protocols = find_protocols(request.metrics)
    distances = [p for p in protocols if p.formula.needs_reference]
    check_place(root, request.images, progress.note)
    images = open_image_set(request.images, "images", FEWEST if distances else 1)
    if images.about:
        progress.note(f"{images.where}: {len(images.names)} images; passed over: {images.about}")
    captions = _captions(request, images, protocols)
    reference = _reference_spec(request.reference, distances)
    device = environment.best_device()
    extractors = {name: build_extractor(name, device) for name in sorted({p.extractor for p in protocols})}

    store = LocalStore(root)
    image_size = images.image_size()
    reals = _reals(reference, distances, extractors, image_size, store, progress)
    scan = _scan(images, captions, extractors, progress)
    prompts = [caption.prompt for caption in captions]
    texts = text_features(extractors, prompts, BATCH_SIZE) if captions else {}
    audited = audit(scan.flags, scan.sha256, scan.thumbnails)
    sample = Sample(images.names, prompts, scan.sha256, scan.features, texts, audited)
    values = measure(protocols, sample, reals, request.images)
    if images.note:
        values = {
            name: replace(value, note="; ".join(filter(None, [value.note, images.note])))
            for name, value in values.items()
        }
    rows = _rows(request, protocols, values, sample, reals, image_size, environment.device_name(device))
    store.write(RECORD, record(request.images, _facts(request, images)))
    write_rows(store, "flagged.csv", FlaggedRow, sample.flagged_rows(_name(request)))
    write_rows(store, "protocols.csv", ProtocolRow, protocol_rows(protocols, sample.features))
    write_images(store, image_table(_name(request), None, sample, protocols, values))
    write_results(store, rows)
    return rows


def _facts(request: ScoringRequest, images: ImageSet) -> dict[str, Any]:
    """What was asked, and what the set of images holds."""
    return {
        "prompts": request.prompts,
        "mapping": request.mapping,
        "reference": request.reference,
        "metrics": list(request.metrics),
        "n": len(images.names),
        "passed_over": images.counts,
    }


def find_protocols(names: Sequence[str]) -> list[Protocol]:
    """Return the protocols of these names, each once; raise InputError for an unknown one."""
    for name in names:
        if name not in PROTOCOLS:
            raise InputError(f"unknown metric {name!r}: {did_you_mean(name, PROTOCOLS)}")
    return [PROTOCOLS[name] for name in dict.fromkeys(names)]


def _captions(request: ScoringRequest, images: ImageSet, protocols: Sequence[Protocol]) -> list[Caption]:
    """Return the images' captions; none if no protocol reads text."""
    if not any(protocol.formula.needs_text for protocol in protocols):
        return []
    return captions_of(images, request.mapping, request.prompts)


def _reference_spec(
    text: str | None, distances: Sequence[Protocol]
) -> ShapesReference | FolderReference | StatsReference | None:
    """Return the spec that --reference stands for: shapes:COUNT:SEED, statistics, or images."""
    if not distances:
        return None
    if text is None:
        raise InputError(f"{distances[0].name} compares with real images: give --reference")
    if text.startswith("shapes:"):
        try:
            _, count, seed = text.split(":")
            return ShapesReference(source="shapes", count=int(count), seed=int(seed))
        except (ValueError, ValidationError):
            raise InputError(f"reference: {text} is not shapes:COUNT:SEED, such as shapes:5000:7") from None
    if _holds_statistics(typed_path(text)):
        return StatsReference(source="stats", path=text)
    return FolderReference(source="folder", path=text)


_UNREAD = (".npy", ".pkl", ".pickle", ".pt", ".pth")
"""Endings that other tools give to their statistics. They are refused, with what is needed instead."""


def _holds_statistics(path: Path) -> bool:
    if path.is_dir():
        if not any(path.glob(f"[!.]*{STATS_SUFFIX}")):
            return False
        if open_image_set(str(path), "reference", 0).names:
            both = f"holds both images and statistics ({STATS_SUFFIX})"
            raise InputError(f"reference: {path} {both}: name the file, or move it elsewhere")
        return True
    if path.suffix != ".npz" or not zipfile.is_zipfile(path):
        return path.suffix in (STATS_SUFFIX, *_UNREAD)
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
    return "arr_0.npy" not in names or not {"mu.npy", "feats.npy"}.isdisjoint(names)


def _scan(
    images: ImageSet,
    captions: Sequence[Caption],
    extractors: Mapping[str, Extractor],
    progress: ImageProgress,
) -> _Scan:
    given = dict(zip(images.names, captions, strict=True)) if captions else {}
    parts: list[Features] = []
    flags: list[str] = []
    sha256: list[str] = []
    thumbnails: list[np.ndarray] = []
    progress.start(len(images.names))
    for batch in images.batches(BATCH_SIZE):
        parts.append(image_features(extractors, [batch.pixels]))
        flags.extend(_flags(batch, given))
        sha256.extend(digest_pixels(image) for image in batch.pixels)
        thumbnails.extend(thumbnail(image) for image in batch.pixels)
        progress.finished(len(batch.names))
    features = {name: np.concatenate([part[name] for part in parts]) for name in extractors}
    return _Scan(features, flags, sha256, np.stack(thumbnails))


def _flags(batch: Batch, captions: Mapping[str, Caption]) -> list[str]:
    """Return each image's flags, comma-joined: its own and those in the file of prompts."""
    flags = []
    for name, image in zip(batch.names, batch.pixels, strict=True):
        seen = TRUNCATED if name in batch.truncated else first_sight(image)
        given = captions[name].flags if name in captions else ""
        flags.append(",".join(filter(None, [seen, given])))
    return flags


def _reals(
    spec: ShapesReference | FolderReference | StatsReference | None,
    protocols: Sequence[Protocol],
    extractors: Mapping[str, Extractor],
    image_size: tuple[int, int],
    store: Store,
    progress: ImageProgress,
) -> dict[str, Real]:
    """Return what each distance compares with, by the protocol's name."""
    if spec is None:
        return {}
    if isinstance(spec, StatsReference):
        return prepare_stats(spec, protocols, extractors.__getitem__, image_size)
    reference = load_reference(spec, image_size)
    identities = {name: features_identity(extractor) for name, extractor in extractors.items()}
    build = extractors.__getitem__
    return prepare_images(store, reference, protocols, identities, build, BATCH_SIZE, progress.note)


def _rows(
    request: ScoringRequest,
    protocols: Sequence[Protocol],
    values: Mapping[str, MetricValue],
    sample: Sample,
    reals: Mapping[str, Real],
    image_size: tuple[int, int],
    device: str,
) -> list[ResultRow]:
    """Return the rows; fields that only the maker of the images knows stay empty."""
    height, width = image_size
    digests = {name: real.digest for name, real in reals.items()}
    digest = digest_value([sample.sha256, sample.prompts, request.metrics, digests])
    return [
        ResultRow(
            cell=_name(request),
            curve=_name(request),
            checkpoint=_name(request),
            sampler="",
            steps=None,
            eta=None,
            guidance_scale=None,
            protocol=protocol.name,
            label=protocol.label,
            better=protocol.formula.better,
            value=values[protocol.name].estimate.value,
            standard_error=values[protocol.name].estimate.standard_error,
            note=values[protocol.name].note,
            n=len(sample.ids),
            flagged=sample.flagged,
            nfe=None,
            image_size=f"{height}x{width}",
            seed=None,
            precision="",
            batch_size=str(BATCH_SIZE),
            device=device,
            weights_digest="",
            spec_digest=digest,
            versions=environment.versions(),
            prompts_digest=sample.prompts_digest,
            reference_digest=digests.get(protocol.name, ""),
        )
        for protocol in protocols
    ]


def _name(request: ScoringRequest) -> str:
    """Return the images' name in the results: the last part of their path."""
    path = typed_path(request.images)
    return encodable(path.resolve().name if path.is_dir() else path.stem)
