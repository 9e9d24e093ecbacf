"""What a plan lacks: images to make, and images that are only read for their features."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sdbench.runs.features import FeatureStore
from sdbench.runs.images import ImageStore
from sdbench.runs.plan import Plan, Unit
from sdbench.runs.shards import ShardStore

__all__ = ["Needs", "needs_of"]


@dataclass(frozen=True)
class Needs:
    """The units of a plan that lack something, in plan order, and the numbers of images.

    Attributes:
        units: The units that lack images or features.
        stored: Images that lack nothing.
        read: Images whose PNGs are read for features that are missing.
        made: Images to make, those below included.
        without_pngs: Images that are made again, because PNGs that the spec keeps are missing.
        without_pixels: Images that are made again for features, because their PNGs were not kept.
    """

    units: Sequence[Unit]
    stored: int
    read: int
    made: int
    without_pngs: int
    without_pixels: int


def needs_of(plan: Plan, shards: ShardStore, images: ImageStore, features: FeatureStore) -> Needs:
    """Return what the plan lacks, by the names of the stored files; StoreError if a shard is damaged."""
    pixels = shards.done(plan.units)
    with_pngs = set(images.complete(pixels))
    with_features = set(features.complete(pixels))
    lacking = [unit for unit in plan.units if unit not in with_pngs or unit not in with_features]
    read = [unit for unit in lacking if unit in with_pngs and images.keeps_all(unit)]
    without_pngs = [unit for unit in lacking if unit in pixels and unit not in with_pngs]
    without_pixels = [unit for unit in lacking if unit in with_pngs and not images.keeps_all(unit)]
    return Needs(
        lacking,
        stored=plan.images - _images(lacking),
        read=_images(read),
        made=_images(lacking) - _images(read),
        without_pngs=_images(without_pngs),
        without_pixels=_images(without_pixels),
    )


def _images(units: Sequence[Unit]) -> int:
    return sum(len(unit.chunk.prompts) for unit in units)
