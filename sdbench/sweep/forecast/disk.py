"""The disk space that a run will need."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

from sdbench.scoring.extractors import extractor_names, floats_of
from sdbench.spec import ExperimentSpec

__all__ = ["TYPICAL", "Disk", "disk_of"]

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
    floats = sum(floats_of(name) for name in extractor_names(spec))
    units = cells * ceil(prompts / spec.unit_size)
    shards = units * PER_UNIT + cells * prompts * (PER_IMAGE + 4 * floats)
    height, width = spec.height_width
    kept = cells * spec.images_kept(prompts)
    basis = "an estimate" if bytes_per_pixel is None else "measured in the calibration"
    return Disk(shards, int(kept * height * width * (bytes_per_pixel or TYPICAL)), basis)
