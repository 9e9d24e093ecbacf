"""Time and memory to plan, resume and score a run of a million images.

    python benchmarks/store_scale.py [--images 1000000] [--folder DIR]

First writes synthetic shards (32 cells, features of 8 numbers), which is not timed. Then measures what
`sdbench run` does on a complete run, except for the networks: plan, find the units that are done, read every
shard, compute the metrics, write the tables; and then `sdbench status`.
"""

from __future__ import annotations

import argparse
import json
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from metrics import PROTOCOLS
from metrics.evaluate import prepare
from sdbench.data.prompts import Prompt
from sdbench.models.registry import Checkpoint
from sdbench.models.sources import ReferenceSource
from sdbench.runs.features import FeatureStore, StoredFeatures
from sdbench.runs.plan import Plan, lay_out
from sdbench.runs.plan_file import PlanFile, write_plan_file
from sdbench.runs.shards import Made, Shard, ShardStore
from sdbench.runs.status import status_of
from sdbench.runs.store import open_store
from sdbench.scoring.references import Real
from sdbench.scoring.sample import SampleReader
from sdbench.scoring.score import score, write_scores
from sdbench.spec import ExperimentSpec
from sdbench.sweep.planning import make_cells

EXTRACTOR = "shapes-clip"
IDENTITIES = {EXTRACTOR: "e"}
METRICS = ["fd-shapes-clip", "clip-score-shapes"]
CHECKPOINTS = [f"shapes-v1-{number}" for number in (1, 2, 3, 4)]
SCALES = [1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]
UNIT = 256
WIDTH = 8


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=1_000_000)
    parser.add_argument("--folder", type=Path, help="folder that keeps the run; default: a temporary one")
    parser.add_argument("--measure", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.measure:
        measure(args.folder, args.images)
        return
    folder = args.folder or Path(tempfile.mkdtemp(prefix="store-scale-"))
    try:
        make(folder, args.images)
        # In a separate process, so that its peak memory does not include making the shards.
        command = [
            sys.executable,
            __file__,
            "--measure",
            "--folder",
            str(folder),
            "--images",
            str(args.images),
        ]
        subprocess.run(command, check=True)
    finally:
        if args.folder is None:
            shutil.rmtree(folder)


def spec_and_plan(images: int) -> tuple[ExperimentSpec, list[Prompt], Plan]:
    """Return a spec of 32 cells, its prompts, and the plan of this number of images in all."""
    spec = ExperimentSpec.model_validate(
        {
            "name": "scale",
            "checkpoints": CHECKPOINTS,
            "samplers": [{"name": "plms", "steps": 50}],
            "guidance_scales": SCALES,
            "prompts": ["any"],
            "reference": {"source": "shapes", "count": 8, "seed": 1},
            "image_size": 64,
            "seed": 1,
            "batch_size": 8,
            "unit_size": UNIT,
            "metrics": METRICS,
        }
    )
    count = images // (len(CHECKPOINTS) * len(SCALES))
    prompts = [Prompt(f"prompt-{i:07d}", f"a picture of thing number {i}") for i in range(count)]
    sources = [ReferenceSource(name, Path("unused.safetensors")) for name in CHECKPOINTS]
    checkpoints = [Checkpoint(source, source.name.ljust(64, "w"), "c") for source in sources]
    return spec, prompts, lay_out(make_cells(spec, checkpoints), prompts, UNIT)


def make(folder: Path, images: int) -> None:
    """Write the shards."""
    _, _, plan = spec_and_plan(images)
    store, random = open_store(folder), np.random.default_rng(1)
    shards, features = ShardStore(store), FeatureStore(store, IDENTITIES)
    for unit in plan.units:
        n = len(unit.chunk.prompts)
        shard = Shard(
            sha256=[bytes(row).hex() for row in random.integers(0, 256, (n, 32), dtype=np.uint8)],
            thumbnails=thumbnails(random, n),
            flags=[""] * n,
            made=Made(102, [8], "cpu", "synthetic"),
        )
        images, texts = random.normal(size=(2, n, WIDTH)).astype(np.float32)
        shards.write(unit, shard)
        features.write(unit, shard.pixels, EXTRACTOR, StoredFeatures(images, texts))


def thumbnails(random: np.random.Generator, n: int) -> np.ndarray:
    """Return four patches of one colour each with some noise, since images are not white noise."""
    patches = random.integers(8, 248, (n, 2, 1, 2, 1, 3))
    noise = random.integers(-8, 8, (n, 2, 4, 2, 4, 3))
    return (patches + noise).astype(np.uint8).reshape(n, -1)


def measure(folder: Path, images: int) -> None:
    """Do what is timed, and print the seconds, also those of the processor, and the peak memory."""
    seconds: dict[str, float] = {}
    began = time.perf_counter()
    with timing(seconds, "plan"):
        spec, prompts, plan = spec_and_plan(images)
        store = open_store(folder)
        write_plan_file(store, PlanFile(plan.cells, prompts, UNIT, IDENTITIES, 0))
    samples = SampleReader(store, IDENTITIES)
    with timing(seconds, "resume"):
        assert not samples.missing(plan.units)
    with timing(seconds, "score"):
        real = np.random.default_rng(2).normal(size=(4096, WIDTH)).astype(np.float32)
        reference = {METRICS[0]: Real(prepare(PROTOCOLS[METRICS[0]], real))}
        scores = score(spec, plan, samples, reference)
        write_scores(store, scores)
    with timing(seconds, "status"):
        assert status_of(store).done == plan.images
    seconds["all"] = time.perf_counter() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    rounded = {stage: round(value, 1) for stage, value in seconds.items()}
    rounded["processor"] = round(time.process_time(), 1)
    print(
        json.dumps(
            {"images": plan.images, "units": len(plan.units), "seconds": rounded, "peak_gib": round(peak, 2)}
        )
    )


@contextmanager
def timing(seconds: dict[str, float], stage: str) -> Iterator[None]:
    start = time.perf_counter()
    yield
    seconds[stage] = time.perf_counter() - start


if __name__ == "__main__":
    main()
