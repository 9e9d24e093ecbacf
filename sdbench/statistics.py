"""Reference statistics as files: made once of a large image set, used by many runs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from metrics import MetricsError, Moments
from metrics.reference_stats import Stats, write_stats
from sdbench import provenance
from sdbench.errors import InputError
from sdbench.extractors import build_extractor
from sdbench.image_sets import ImageSet, open_image_set
from sdbench.precision import full_precision
from sdbench.progress import ImageProgress
from sdbench.scoring import BATCH_SIZE, find_protocols
from sdbench.spec import FEWEST
from sdbench.stages.extract import image_features

__all__ = ["make_stats"]

SUFFIXES = (".safetensors", ".npz")


def make_stats(
    source: str, protocol_name: str, out: Path, size: tuple[int, int] | None, progress: ImageProgress
) -> Stats:
    """Write the statistics of the images at `source` to `out` and return them.

    `size` (height, width) crops centrally and resizes (Lanczos) first, as a sweep does with its reference;
    without it images stay as they are and must be of one size. Features are kept in a .safetensors file, and
    not in an .npz, which other tools read. Raises InputError for what is missing or does not fit.
    """
    full_precision()
    (protocol,) = find_protocols([protocol_name])
    if not protocol.needs_reference:
        raise InputError(f"{protocol.name} compares with no real images, so it has no statistics")
    if out.suffix not in SUFFIXES:
        raise InputError(f"--out {out}: statistics are written as {' (all) or '.join(SUFFIXES)} (mu, sigma)")
    images = open_image_set(source, "images", FEWEST)
    extractor = build_extractor(protocol.extractor, provenance.best_device())
    parts = []
    progress.start(len(images.names))
    for batch in _batches(images, size):
        parts.append(image_features({extractor.name: extractor}, [batch])[extractor.name])
        size = size or (batch.shape[1], batch.shape[2])
        progress.finished(len(batch))
    features = np.concatenate(parts)
    try:
        stats = Stats(
            moments=Moments.of(features),
            protocol=protocol.name,
            version=protocol.version,
            n=len(features),
            features=features,
            image_size=size,
            image_digest=images.digest(),
            weights_digest=extractor.digest,
            versions=dict(entry.split("=", 1) for entry in provenance.versions().split()),
        )
        out.parent.mkdir(parents=True, exist_ok=True)
        write_stats(out, stats)
    except MetricsError as error:
        raise InputError(f"{error}") from None
    return stats


def _batches(images: ImageSet, size: tuple[int, int] | None) -> Iterator[np.ndarray]:
    if size is not None:
        yield from images.fitted(*size, BATCH_SIZE)
        return
    for batch in images.batches(BATCH_SIZE):
        if batch.truncated:
            raise InputError(f"{images.where}: {min(batch.truncated)} is truncated; mend or remove it")
        yield batch.pixels
