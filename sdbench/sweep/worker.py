"""The worker: makes images, features and shards of units in an executor's process."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from types import TracebackType
from typing import Literal, Self

import numpy as np

from sdbench.core import environment
from sdbench.core.allocator import keep_freed_memory
from sdbench.core.digest import digest_pixels
from sdbench.core.errors import InputError, SamplingError, StoreError, one_line
from sdbench.core.memory import is_out_of_memory
from sdbench.core.precision import full_precision
from sdbench.core.timing import timed
from sdbench.models import Images, Model, Source, library_warnings
from sdbench.models.guidance import guidance_identity
from sdbench.runs.features import FeatureStore, StoredFeatures
from sdbench.runs.images import ImageStore, ImageWriter
from sdbench.runs.plan import Unit
from sdbench.runs.shards import Made, Shard, ShardStore
from sdbench.runs.store import open_store
from sdbench.scoring.audit import first_sight, thumbnail
from sdbench.scoring.extract import image_features, text_features
from sdbench.scoring.extractors import build_extractor, build_same, takes_references
from sdbench.scoring.pairs import beside_images
from sdbench.scoring.reference_sets import ReferenceSet, find_reference
from sdbench.spec import ReferenceSpec
from sdbench.sweep.batch_size import BatchSize, automatic_size
from sdbench.sweep.generate import generate_images

__all__ = ["Job", "Tick", "UnitReport", "Worker"]

Tick = Callable[[Unit, float], None]
"""Called with the number of a unit's images that are done; may be fractional."""


@dataclass(frozen=True)
class Job:
    """What all workers of a run need to know; can be pickled and sent to another machine.

    Attributes:
        place: The store, as `open_store` takes it.
        sources: The checkpoints by name; empty if images are only read.
        extractors: Identities of the feature extractors by name.
        device: The device that models run on.
        threads: Torch threads per worker; fixed, because they can change the last bit.
        batch_size: Images per batch.
        images_kept: Number of images of each cell that are kept as PNG.
        unit_size: Images of a whole unit.
        reference: The reference set of the spec, for metrics that compare each image with its own.
        image_size: (height, width) that its images are fitted to.
    """

    place: str
    sources: Mapping[str, Source]
    extractors: Mapping[str, str]
    device: str
    threads: int
    batch_size: int | Literal["auto"]
    images_kept: int
    unit_size: int
    reference: ReferenceSpec | None = None
    image_size: tuple[int, int] = (0, 0)


@dataclass(frozen=True)
class UnitReport:
    """A unit that is done: how many images were made, how, seconds by part of the work, and lines to show."""

    unit: Unit
    images: int
    seconds: dict[str, float]
    batch_sizes: list[int]
    device: str
    threads: int
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Loaded:
    checkpoint: tuple[str, str, str]
    model: Model
    batch_size: BatchSize


class Worker:
    """Makes units one by one; a checkpoint stays in memory until a unit needs another one."""

    def __init__(self, job: Job) -> None:
        full_precision()
        keep_freed_memory()
        self._job = job
        store = open_store(job.place)
        self._shards = ShardStore(store)
        self._images = ImageStore(store, job.images_kept)
        self._features = FeatureStore(store, job.extractors)
        self._writing = ImageWriter()
        self._loaded: _Loaded | None = None
        self._device, self._versions = environment.device_name(job.device), environment.versions()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._writing.close()

    def do(self, unit: Unit, tick: Tick) -> UnitReport:
        """Bring what the unit lacks into the store: images, their shard, then features.

        Images whose PNGs are kept are read, not made, if their pixels are those of the shard.
        """
        try:
            return self._do(unit, tick)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            raise SamplingError(f"cell {unit.cell.folder}: out of memory: {one_line(error)}") from None

    def _do(self, unit: Unit, tick: Tick) -> UnitReport:
        seconds: dict[str, float] = {}
        with timed(seconds, "read"):
            stored, pixels, wrong = self._stored(unit)
        count = len(unit.chunk.prompts)
        if stored is not None and pixels is not None:
            size = stored.made.batch_sizes[0]
            batches = [pixels[start : start + size] for start in range(0, count, size)]
            self._add_features(unit, stored.pixels, batches, seconds)
            return UnitReport(unit, 0, seconds, [], self._device, self._job.threads)
        if unit.cell.checkpoint not in self._job.sources:
            raise StoreError(f"{wrong}; scoring makes no images: 'sdbench run' makes its unit again")
        with timed(seconds, "load"):
            loaded = self._load(unit)
        made, sizes = self._generate(unit, loaded, tick, seconds)
        with timed(seconds, "audit"):
            shard = Shard(
                sha256=[digest_pixels(image) for images in made for image in images.pixels],
                thumbnails=np.stack([thumbnail(image) for images in made for image in images.pixels]),
                flags=[
                    first_sight(image, finite=bool(finite))
                    for images in made
                    for image, finite in zip(images.pixels, images.finite, strict=True)
                ],
                made=Made(
                    made[0].evaluations,
                    sizes,
                    self._device,
                    self._versions,
                    sum(
                        int(images.decoded_again.sum()) for images in made if images.decoded_again is not None
                    ),
                ),
                guidance_scales=_joined([images.guidance_scales for images in made]),
            )
        with timed(seconds, "write"):
            self._writing.wait()
            self._shards.write(unit, shard)
        self._add_features(unit, shard.pixels, [images.pixels for images in made], seconds)
        about_memory, loaded.batch_size.notes = loaded.batch_size.notes, []
        about = (*about_memory, *library_warnings.taken())
        notes = [f"{wrong}; its unit is made again"] if wrong else []
        notes += [f"{unit.cell.checkpoint}: {note}" for note in about]
        return UnitReport(unit, count, seconds, sizes, self._device, self._job.threads, tuple(notes))

    def _stored(self, unit: Unit) -> tuple[Shard | None, np.ndarray | None, str]:
        """Return the unit's shard and pixels if they are stored, and what is wrong with the pixels, or ""."""
        if not self._shards.has(unit):
            return None, None, ""
        shard = self._shards.read(unit)
        if not self._images.keeps_all(unit):
            return shard, None, ""
        pixels = self._images.read(unit, shard.sha256)
        return (shard, None, pixels) if isinstance(pixels, str) else (shard, pixels, "")

    def _add_features(
        self, unit: Unit, pixels: str, batches: Sequence[np.ndarray], seconds: dict[str, float]
    ) -> None:
        """Compute and store the features that the unit lacks, one extractor after the other."""
        build = partial(build_extractor, device=self._job.device)
        size = self._job.unit_size if self._job.batch_size == "auto" else self._job.batch_size
        prompts = [prompt.text for prompt in unit.chunk.prompts]
        for name in self._features.missing(unit, pixels):
            with timed(seconds, "extract"):
                real = self._reference if takes_references(build(name)) else None
                identity = self._features.extractors[name]
                extractor = {name: build_same(build, name, identity, real.digest if real else "")}
                texts = text_features(extractor, prompts, size)
                beside = beside_images(unit.chunk.prompts, real.of_prompts if real else None)
                found = StoredFeatures(image_features(extractor, batches, beside)[name], texts.get(name))
            with timed(seconds, "write"):
                self._features.write(unit, pixels, name, found)

    @cached_property
    def _reference(self) -> ReferenceSet | None:
        """The reference set of the spec, for values per image that compare with an image of it."""
        return find_reference(self._job.reference, self._job.image_size)

    def _generate(
        self, unit: Unit, loaded: _Loaded, tick: Tick, seconds: dict[str, float]
    ) -> tuple[list[Images], list[int]]:
        """Return the unit's images, and the batch sizes that they were made in."""
        made: list[Images] = []
        sizes: list[int] = []
        images = generate_images(
            loaded.model,
            unit.chunk.prompts,
            unit.cell.settings,
            loaded.batch_size,
            lambda done: tick(unit, done),
            where=f"cell {unit.cell.folder}",
        )
        while True:
            with timed(seconds, "generate"):
                batch = next(images, None)
            if batch is None:
                return made, list(dict.fromkeys(sizes))
            with timed(seconds, "write"):
                start = sum(len(images.pixels) for images in made)
                self._images.begin(unit, start, batch.pixels, self._writing)
            made.append(batch)
            sizes.append(loaded.batch_size.value)

    def _load(self, unit: Unit) -> _Loaded:
        cell = unit.cell
        checkpoint = (cell.checkpoint, cell.weights_digest, cell.config_digest)
        if self._loaded is None or self._loaded.checkpoint != checkpoint:
            # Loading overwrites or frees the last model, so two need not fit into memory.
            last = self._loaded.model if self._loaded else None
            self._loaded = None
            source = self._job.sources[cell.checkpoint]
            model = source.load(self._job.device, cell.settings.arithmetic, last)
            if (source.config_digest(), model.digest) != (cell.config_digest, cell.weights_digest):
                raise InputError(f"checkpoint {cell.checkpoint} changed during the run; run again")
            size = self._job.batch_size
            if size == "auto":
                size = automatic_size(model, unit, self._job.device, self._job.unit_size)
            self._loaded = _Loaded(checkpoint, model, BatchSize(size))
        if guidance_identity(cell.settings.guidance) != cell.guidance_source:
            raise InputError(f"guidance {cell.settings.guidance!r} changed during the run; run again")
        return self._loaded


def _joined(batches: Sequence[np.ndarray | None]) -> np.ndarray | None:
    """Return the rows of all batches; None if those of one are not known."""
    known = [rows for rows in batches if rows is not None]
    return np.concatenate(known) if len(known) == len(batches) else None
