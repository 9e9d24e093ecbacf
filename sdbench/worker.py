"""What an executor's process does with a unit: images, features, shard. It keeps its models loaded."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sdbench import provenance
from sdbench.audit import first_sight, thumbnail
from sdbench.digest import digest_pixels
from sdbench.errors import InputError
from sdbench.extractors import build_extractor
from sdbench.images import ImageStore
from sdbench.models import Images, Model
from sdbench.plan import Unit
from sdbench.precision import full_precision
from sdbench.registry import Checkpoint
from sdbench.shards import Made, Shard, ShardStore
from sdbench.stages.extract import clip_scores, image_features, text_features
from sdbench.stages.generate import generate_images
from sdbench.store import LocalStore
from sdbench.timing import timed

__all__ = ["Job", "Tick", "UnitReport", "Worker"]

Tick = Callable[[Unit, float], None]
"""Told how many of a unit's images are done, in fractions."""


@dataclass(frozen=True)
class Job:
    """What all workers of a run need to know; it can be pickled and sent to another machine.

    The first `images_kept` images of each cell are kept as PNG.
    """

    root: Path
    device: str
    batch_size: int
    images_kept: int


@dataclass(frozen=True)
class UnitReport:
    """A unit that is done, and the seconds that its parts took."""

    unit: Unit
    seconds: dict[str, float]


class Worker:
    """Works off units one by one; the last checkpoint stays in memory until another one is asked for."""

    def __init__(self, job: Job) -> None:
        full_precision()
        self._job = job
        store = LocalStore(job.root)
        self._shards = ShardStore(store)
        self._images = ImageStore(store, job.images_kept)
        self._loaded: tuple[Checkpoint, Model] | None = None

    def do(self, unit: Unit, tick: Tick) -> UnitReport:
        """Make the unit's images and features; its shard is written last, so that it means complete."""
        seconds: dict[str, float] = {}
        with timed(seconds, "load"):
            model = self._model(unit.cell.checkpoint)
            extractors = {name: build_extractor(name, self._job.device) for name, _ in unit.extractors}

        made: list[Images] = []
        images = generate_images(model, unit, self._job.batch_size, lambda done: tick(unit, done))
        while True:
            with timed(seconds, "generate"):
                batch = next(images, None)
            if batch is None:
                break
            with timed(seconds, "write"):
                self._images.write(unit, sum(len(images.pixels) for images in made), batch.pixels)
            made.append(batch)
        batches = [images.pixels for images in made]

        with timed(seconds, "extract"):
            features = image_features(extractors, batches)
            texts = text_features(extractors, [p.text for p in unit.chunk.prompts], self._job.batch_size)
        shard = Shard(
            sha256=[digest_pixels(image) for batch in batches for image in batch],
            thumbnails=np.stack([thumbnail(image) for batch in batches for image in batch]),
            flags=[
                first_sight(image, finite=bool(finite))
                for images in made
                for image, finite in zip(images.pixels, images.finite, strict=True)
            ],
            clip_scores=clip_scores(features, texts),
            features=features,
            text_features=texts,
            made=self._made(made[0].evaluations),
        )
        with timed(seconds, "write"):
            self._shards.write(unit, shard)
        return UnitReport(unit, seconds)

    def _model(self, checkpoint: Checkpoint) -> Model:
        if self._loaded is None or self._loaded[0] != checkpoint:
            self._loaded = None  # before the next one is read: two do not have to fit into memory
            model = checkpoint.source.load(self._job.device)
            if model.digest != checkpoint.weights_digest:
                raise InputError(f"checkpoint {checkpoint.name} changed while the run was going on")
            self._loaded = (checkpoint, model)
        return self._loaded[1]

    def _made(self, nfe: int | None) -> Made:
        device = provenance.device_name(self._job.device)
        return Made(nfe, self._job.batch_size, device, provenance.versions())
