"""Scores of a set of images by protocols: one pass over the images feeds all extractors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import PurePosixPath

import numpy as np
import pyarrow as pa

from metrics import Protocol
from metrics.features import Extractor
from sdbench.core import environment
from sdbench.core.digest import digest_pixels, digest_value
from sdbench.core.progress import ImageProgress
from sdbench.data.captions import Caption
from sdbench.data.image_sets import Batch, ImageSet
from sdbench.data.prompts import Prompt
from sdbench.runs.store import Store
from sdbench.runs.tables import CategoryRow, FlaggedRow, ProtocolRow, ResultRow
from sdbench.scoring.audit import TRUNCATED, audit, first_sight, thumbnail
from sdbench.scoring.categories import category_rows
from sdbench.scoring.compare import CellValues
from sdbench.scoring.extract import Features, image_features, text_features
from sdbench.scoring.extractors import build_extractors, extractors_of, features_identity
from sdbench.scoring.measure import MetricValue, image_table, measure, protocol_rows
from sdbench.scoring.pairs import OfPrompts, beside_images
from sdbench.scoring.pictures import PICTURES, Pictures
from sdbench.scoring.reference_sets import ReferenceSet, find_reference, reference_of
from sdbench.scoring.references import Real, own_images, own_reference, prepare_images, prepare_stats
from sdbench.scoring.sample import Sample
from sdbench.scoring.trial import check_prompts
from sdbench.spec import FolderReference, ShapesReference, StatsReference

__all__ = ["BATCH_SIZE", "RealImages", "SetScores", "compared_with", "reals_of", "score_set"]

BATCH_SIZE = 32
"""Fixed: it can change the last bit of features, and scoring a folder twice must give equal values."""

RealImages = ShapesReference | FolderReference | StatsReference | ImageSet
"""What the distances compare with."""


@dataclass(frozen=True)
class SetScores:
    """The scores of a set of images: the tables that are written of it, and the values by protocol."""

    rows: list[ResultRow]
    flagged: list[FlaggedRow]
    protocols: list[ProtocolRow]
    images: pa.Table
    values: Mapping[str, MetricValue]
    categories: list[CategoryRow]


@dataclass(frozen=True)
class _Scan:
    """The result of one pass over the images."""

    features: Features
    flags: list[str]
    sha256: list[str]
    thumbnails: np.ndarray


def score_set(
    name: str,
    images: ImageSet,
    captions: Sequence[Caption],
    protocols: Sequence[Protocol],
    real: RealImages | None,
    store: Store,
    progress: ImageProgress,
) -> SetScores:
    """Score the images.

    Args:
        name: Their name in the tables.
        images: The images, all of one size.
        captions: Each image's caption; empty if no protocol reads text.
        protocols: What to measure.
        real: What the distances among the protocols compare with.
        store: Where the features of real images are kept.
        progress: Counts the images.

    Raises:
        InputError: The images cannot be used or measured.
    """
    device = environment.best_device()
    extractors = build_extractors(extractors_of(protocols), device)
    image_size = images.image_size()
    check_prompts(protocols, extractors, (caption.prompt for caption in captions), image_size)
    found = compared_with(real, image_size)
    reals = reals_of(found, protocols, extractors, image_size, store, progress)
    reference = found if isinstance(found, ReferenceSet) else None
    reals |= own_reference(protocols, reference) if reference else {}
    scan = _scan(images, captions, extractors, own_images(protocols, reference), progress)
    prompts = [caption.prompt for caption in captions]
    texts = text_features(extractors, prompts, BATCH_SIZE) if captions else {}
    audited = audit(scan.flags, scan.sha256, scan.thumbnails)
    features = {**scan.features, PICTURES: _pictures(images, prompts)}
    sample = Sample(images.names, prompts, scan.sha256, features, texts, audited)
    values = measure(protocols, sample, reals, images.where)
    if images.note:
        values = {
            name: replace(value, note="; ".join(filter(None, [value.note, images.note])))
            for name, value in values.items()
        }
    estimates = {sample.ids: {name: value.estimate for name, value in values.items()}}
    return SetScores(
        _rows(name, protocols, values, sample, reals, image_size, environment.device_name(device)),
        sample.flagged_rows(name),
        protocol_rows(protocols, sample.features),
        image_table(name, None, sample, protocols, values),
        values,
        category_rows([CellValues(name, name, 0.0, sample.ids, estimates)], protocols, {}),
    )


def _scan(
    images: ImageSet,
    captions: Sequence[Caption],
    extractors: Mapping[str, Extractor],
    of_prompts: OfPrompts | None,
    progress: ImageProgress,
) -> _Scan:
    """Measure the images; each belongs to the reference image with its name, whatever the endings."""
    given = dict(zip(images.names, captions, strict=True)) if captions else {}
    parts: list[Features] = []
    flags: list[str] = []
    sha256: list[str] = []
    thumbnails: list[np.ndarray] = []
    progress.start(len(images.names))
    for batch in images.batches(BATCH_SIZE):
        prompts = [
            Prompt(PurePosixPath(name).stem, given[name].prompt if given else "") for name in batch.names
        ]
        parts.append(image_features(extractors, [batch.pixels], beside_images(prompts, of_prompts)))
        flags.extend(_flags(batch, given))
        sha256.extend(digest_pixels(image) for image in batch.pixels)
        thumbnails.extend(thumbnail(image) for image in batch.pixels)
        progress.finished(len(batch.names))
    features = {name: np.concatenate([part[name] for part in parts]) for name in extractors}
    return _Scan(features, flags, sha256, np.stack(thumbnails))


def _pictures(images: ImageSet, prompts: Sequence[str]) -> Pictures:
    """Return the images as a set that is read when a metric of whole sets needs it."""
    parts = [images.names[start : start + BATCH_SIZE] for start in range(0, len(images.names), BATCH_SIZE)]

    def read(names: frozenset[str]) -> np.ndarray:
        return np.concatenate([batch.pixels for batch in images.only(names.__contains__).batches(BATCH_SIZE)])

    return Pictures.of([partial(read, frozenset(part)) for part in parts], list(map(len, parts)), prompts)


def _flags(batch: Batch, captions: Mapping[str, Caption]) -> list[str]:
    """Return each image's flags, comma-joined: its own and those in the file of prompts."""
    flags = []
    for name, image in zip(batch.names, batch.pixels, strict=True):
        seen = TRUNCATED if name in batch.truncated else first_sight(image)
        given = captions[name].flags if name in captions else ""
        flags.append(",".join(filter(None, [seen, given])))
    return flags


def compared_with(
    real: RealImages | None, image_size: tuple[int, int]
) -> ReferenceSet | StatsReference | None:
    """Return statistics as they are, and images as a reference set of (height, width). Hashes their files."""
    if isinstance(real, StatsReference):
        return real
    return reference_of(real, image_size) if isinstance(real, ImageSet) else find_reference(real, image_size)


def reals_of(
    real: ReferenceSet | StatsReference | None,
    protocols: Sequence[Protocol],
    extractors: Mapping[str, Extractor],
    image_size: tuple[int, int],
    store: Store,
    progress: ImageProgress,
) -> dict[str, Real]:
    """Return what each distance compares with, by the protocol's name; `compared_with` finds `real`."""
    distances = [protocol for protocol in protocols if protocol.formula.needs_reference]
    build = extractors.__getitem__
    if isinstance(real, StatsReference):
        return prepare_stats(real, distances, build, image_size)
    if real is None:
        return {}
    identities = {name: features_identity(build(name)) for name in extractors_of(distances)}
    return prepare_images(store, real, distances, identities, build, BATCH_SIZE, progress.note)


def _rows(
    name: str,
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
    digest = digest_value([sample.sha256, sample.prompts, [p.name for p in protocols], digests])
    return [
        ResultRow(
            cell=name,
            curve=name,
            checkpoint=name,
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
            guided_by="",
            negative_prompt="",
            metric_source=protocol.source,
            guidance="",
        )
        for protocol in protocols
    ]
