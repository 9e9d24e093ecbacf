"""Units of a sweep from prompts to the store, made by the worker that every run uses."""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

import torch

from metrics.features import EXTRACTORS
from reference_model import LatentDiffusion, shapes
from sdbench.core.precision import Arithmetic
from sdbench.data.prompts import Prompt
from sdbench.models import Model
from sdbench.models.home import HOME_VARIABLE, weights_folder
from sdbench.models.reference import ReferenceModel
from sdbench.models.settings import Settings
from sdbench.runs.plan import Cell, Unit, lay_out
from sdbench.scoring.extractors import build_extractor, features_identity
from sdbench.sweep.worker import Job, Worker
from sdbench.tools.bench.features import save_random_inception
from sdbench.tools.bench.machine import SCALE, Bench, build_model, setting_name
from sdbench.tools.bench.rows import Row

__all__ = ["measure"]

NAME = "bench"

BATCHES = 2
"""Batches per unit: PNGs are encoded while the next batch of their unit is sampled."""


def measure(bench: Bench) -> list[Row]:
    """Time text encoding, sampling, decoding, features, audit, the PNG of every image and shards.

    The first unit loads and compiles; the row holds the median of the others. On a GPU the extractors are
    those of the published sweep, Inception and ViT-L/14, with random weights; on a CPU the embedded family's.
    """
    model = build_model(bench)
    size = BATCHES * bench.large
    count = size * (1 + bench.rounds)
    with tempfile.TemporaryDirectory() as folder, _extractors(bench, Path(folder)) as extractors:
        units = _units(bench, model, count, size)
        place = str(Path(folder) / "run")
        source: Any = _Given(model)  # a worker asks no more of it
        build = partial(build_extractor, device=bench.device)
        identities = {name: features_identity(build(name)) for name in extractors}
        threads = torch.get_num_threads()
        job = Job(place, {NAME: source}, identities, bench.device, threads, bench.large, count, size)
        seconds: list[float] = []
        parts: Counter[str] = Counter()
        with Worker(job) as worker:
            for number, unit in enumerate(units):
                bench.say(f"sweep: unit {number} of {bench.rounds}" if number else "sweep: warming up")
                start = time.perf_counter()
                report = worker.do(unit, lambda unit, done: None)
                if number:
                    seconds.append(time.perf_counter() - start)
                    parts.update(report.seconds)
    name = f"sdbench {setting_name(bench.precision, compiled=bench.compiled)}"
    note = ", ".join(f"{part} {taken / sum(seconds):.1%}" for part, taken in parts.items())
    what = f"sweep, units of {size}: images, features, PNG, shards"
    return [Row(what, name, "image", statistics.median(seconds) / size, note=note)]


@dataclass(frozen=True, eq=False)
class _Given:
    """A source whose model is already loaded."""

    model: LatentDiffusion

    def config_digest(self) -> str:
        return self.model.config.digest

    def load(self, device: str, arithmetic: Arithmetic, reuse: Model | None) -> Model:
        return ReferenceModel(self.model, arithmetic)


def _units(bench: Bench, model: LatentDiffusion, count: int, size: int) -> tuple[Unit, ...]:
    side = bench.image_size
    settings = Settings("plms", bench.steps, 0.0, SCALE, side, side, 0, bench.precision, bench.compiled)
    cell = Cell(NAME, settings, model.weights_digest, model.config.digest)
    captions = shapes.evaluation_prompts(count, 0)
    prompts = [Prompt(f"{i:06d}", caption) for i, caption in enumerate(captions)]
    return lay_out([cell], prompts, size).units


@contextmanager
def _extractors(bench: Bench, folder: Path) -> Iterator[tuple[str, ...]]:
    """Yield the extractors' names; in the block, published ones find random weights in `folder`."""
    if bench.device == "cpu":
        yield ("shapes-clip",)
        return
    with mock.patch.dict(os.environ, {HOME_VARIABLE: str(folder)}):
        bench.say("sweep: writing random weights of the extractors")
        weights_folder().mkdir(parents=True)
        save_random_inception(weights_folder() / str(EXTRACTORS["inception-v3"].weights))
        _save_random_clip(weights_folder() / str(EXTRACTORS["clip-vit-l-14"].weights))
        try:
            yield ("clip-vit-l-14", "inception-v3")
        finally:
            build_extractor.cache_clear()


def _save_random_clip(path: Path) -> None:
    import open_clip
    from safetensors.torch import save_file

    from metrics.features.clip import PUBLISHED

    torch.manual_seed(0)
    model = open_clip.create_model(PUBLISHED["clip-vit-l-14"])
    save_file({name: tensor.contiguous() for name, tensor in model.state_dict().items()}, path)
