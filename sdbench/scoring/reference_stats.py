"""Files of reference statistics: computed once from a large image set, used by many runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from metrics import MetricsError, Moments, Protocol
from metrics.features import Extractor
from metrics.reference_stats import Stats, write_stats
from sdbench.core import environment
from sdbench.core.errors import InputError
from sdbench.core.paths import file_name
from sdbench.core.precision import full_precision
from sdbench.core.progress import ImageProgress
from sdbench.data.image_sets import ImageSet, open_image_set
from sdbench.scoring.extract import Features, image_features
from sdbench.scoring.extractors import build_extractors
from sdbench.scoring.image_scores import BATCH_SIZE
from sdbench.scoring.protocols import protocols_of
from sdbench.scoring.references import STATS_SUFFIX
from sdbench.spec import FEWEST

__all__ = ["make_stats"]

SUFFIXES = (STATS_SUFFIX, ".npz")


def make_stats(
    source: str, names: Sequence[str], out: Path, size: tuple[int, int] | None, progress: ImageProgress
) -> dict[Path, Stats]:
    """Write the statistics of a set of images, and return them by file.

    One pass over the images feeds all extractors. Protocols with the same extractor share its file.

    Args:
        source: The images: a folder or an archive.
        names: The protocols that will use the statistics.
        out: A .safetensors file, which also holds the features, or an .npz file of mu and sigma for other
            tools; without a suffix, a folder that gets an EXTRACTOR.safetensors per extractor.
        size: (height, width) that images are centre-cropped and resized to (Lanczos), as a sweep does with
            its reference images. None leaves images as they are; they must then have one size.
        progress: Shows the images done.

    Raises:
        InputError: Something is missing or does not fit.
    """
    full_precision()
    protocols: dict[str, Protocol] = {}
    for protocol in protocols_of(names):
        protocols.setdefault(protocol.extractor, protocol)
        if not protocol.formula.needs_reference:
            raise InputError(f"{protocol.name} compares with no real images, so it has no statistics")
        if protocol.formula.needs_captions:
            raise InputError(f"{protocol.name} needs captions of real images, which statistics do not hold")
    files = _files(out, sorted(protocols))
    for file in files.values():
        if file.exists():
            progress.note(f"replaces the statistics in {file}")
    images = open_image_set(source, "images", FEWEST)
    if images.about:
        progress.note(f"{images.where}: {len(images.names)} images; passed over: {images.about}")
    device = environment.best_device()
    extractors = build_extractors(files, device)
    features, size = _measured(images, size, extractors, progress)
    digest, written = images.digest(), {}
    for name, file in files.items():
        try:
            stats = _stats(protocols[name], extractors[name], features[name], digest, size)
            file.parent.mkdir(parents=True, exist_ok=True)
            write_stats(file, stats)
        except MetricsError as error:
            raise InputError(f"{images.where}, {name}: {error}") from None
        except OSError as error:
            raise InputError(f"--out {file}: {error.strerror}") from None
        written[file] = stats
    return written


def _files(out: Path, extractors: Sequence[str]) -> dict[str, Path]:
    """Return the file of each extractor's statistics."""
    if not out.suffix:
        return {name: out / f"{file_name(name)}{STATS_SUFFIX}" for name in extractors}
    if out.suffix not in SUFFIXES:
        raise InputError(f"--out {out}: statistics are written as {' (all) or '.join(SUFFIXES)} (mu, sigma)")
    if len(extractors) > 1:
        several = f"{len(extractors)} extractors ({', '.join(extractors)}), each with a file of its own"
        raise InputError(f"--out {out}: these protocols use {several}: name a folder")
    return {extractors[0]: out}


def _measured(
    images: ImageSet,
    size: tuple[int, int] | None,
    extractors: Mapping[str, Extractor],
    progress: ImageProgress,
) -> tuple[Features, tuple[int, int]]:
    """Return the features of all images, and the size (height, width) of the images."""
    parts: list[Features] = []
    progress.start(len(images.names))
    for batch in _batches(images, size):
        parts.append(image_features(extractors, [batch]))
        size = size or (batch.shape[1], batch.shape[2])
        progress.finished(len(batch))
    assert size is not None  # a set has images
    return {name: np.concatenate([part[name] for part in parts]) for name in extractors}, size


def _stats(
    protocol: Protocol, extractor: Extractor, features: np.ndarray, digest: str, size: tuple[int, int]
) -> Stats:
    """Return the statistics of the features and how they were made; raise MetricsError if unusable."""
    return Stats(
        moments=Moments.of(features),
        protocol=protocol.name,
        version=protocol.version,
        n=len(features),
        features=features,
        image_size=size,
        image_digest=digest,
        weights_digest=extractor.digest,
        versions=dict(entry.split("=", 1) for entry in environment.versions().split()),
    )


def _batches(images: ImageSet, size: tuple[int, int] | None) -> Iterator[np.ndarray]:
    if size is not None:
        yield from images.fitted(*size, BATCH_SIZE)
        return
    for batch in images.batches(BATCH_SIZE):
        if batch.truncated:
            raise InputError(f"{images.where}: {min(batch.truncated)} is truncated; repair or remove it")
        yield batch.pixels
