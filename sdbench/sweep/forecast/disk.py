"""The disk space that a run will need."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

from sdbench.scoring.extractors import extractor_names
from sdbench.spec import ExperimentSpec

__all__ = ["TYPICAL", "Disk", "disk_of"]

DIMS = {
    "clip-vit-b-32": 512,
    "clip-vit-h-14": 1024,
    "clip-vit-l-14": 768,
    "clip-vit-l-14-336": 768,
    "dinov2-vit-l-14": 1024,
    "inception-v3": 2048,
    "inception-v3-256": 2048,
    "inception-v3-clean": 2048,
    "shapes-clip": 64,
}
"""Number of features by extractor, known without loading it (a test compares the embedded one's weights)."""

READS_TEXT = "clip"
"""Part of the names of extractors that also store features of the prompts."""

PER_IMAGE = 350
PER_UNIT = 5000
"""Measured bytes of a shard apart from features: ids, digests, thumbnails; schema and identity."""

TYPICAL = 1.7
"""Bytes per pixel of a PNG if nothing was measured; photographs need 1.5 to 2."""


@dataclass(frozen=True)
class Disk:
    """Bytes of shards and of images, and what the bytes of images are based on."""

    shards: int
    images: int
    basis: str


def disk_of(spec: ExperimentSpec, cells: int, prompts: int, bytes_per_pixel: float | None) -> Disk:
    """Return the bytes of a whole run of `cells` cells with `prompts` prompts each."""
    floats = sum(DIMS[name] * (2 if READS_TEXT in name else 1) for name in extractor_names(spec))
    units = cells * ceil(prompts / spec.unit_size)
    shards = units * PER_UNIT + cells * prompts * (PER_IMAGE + 4 * floats)
    height, width = spec.image_size
    kept = cells * spec.images_kept(prompts)
    basis = "an estimate" if bytes_per_pixel is None else "measured in the calibration"
    return Disk(shards, int(kept * height * width * (bytes_per_pixel or TYPICAL)), basis)
