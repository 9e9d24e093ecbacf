"""Runs without a model: shards and images of numbers that a generator drew."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from sdbench.core.digest import digest_pixels
from sdbench.data.prompts import Prompt
from sdbench.models.registry import Checkpoint
from sdbench.models.sources import ReferenceSource
from sdbench.runs.features import FeatureStore, StoredFeatures
from sdbench.runs.images import ImageStore, ImageWriter
from sdbench.runs.plan import Plan, Unit, lay_out
from sdbench.runs.plan_file import PlanFile, write_plan_file
from sdbench.runs.shards import Made, Shard, ShardStore
from sdbench.runs.store import Store
from sdbench.scoring.audit import thumbnail
from sdbench.spec import ExperimentSpec
from sdbench.sweep.planning import make_cells

EXTRACTOR = "shapes-clip"
EXTRACTORS = {EXTRACTOR: "e", "clip-vit-l-14": "c", "inception-v3": "i"}
"""Identities of extractors that nobody builds."""


def spec_of(
    scales: Sequence[float], *, unit_size: int = 3, metrics: Sequence[str] = ("kd-shapes-clip",)
) -> ExperimentSpec:
    """A spec that names no file that has to be there."""
    return ExperimentSpec.model_validate(
        {
            "name": "synthetic",
            "checkpoints": ["shapes-v1-1"],
            "samplers": [{"name": "plms", "steps": 50}],
            "guidance_scales": list(scales),
            "prompts": ["any"],
            "reference": {"source": "shapes", "count": 8, "seed": 1},
            "image_size": 8,
            "seed": 1,
            "batch_size": 3,
            "unit_size": unit_size,
            "metrics": list(metrics),
        }
    )


def plan_of(scales: Sequence[float], prompts: Sequence[str], *, unit_size: int = 3) -> Plan:
    """The plan of such a spec."""
    source = ReferenceSource("shapes-v1-1", Path("unused.safetensors"))
    numbered = [Prompt(f"p{i}-{text}", text) for i, text in enumerate(prompts)]
    return planned(spec_of(scales, unit_size=unit_size), [Checkpoint(source, "w" * 64, "c")], numbered)


def planned(spec: ExperimentSpec, checkpoints: Sequence[Checkpoint], prompts: Sequence[Prompt]) -> Plan:
    """The plan of a spec for these checkpoints and prompts, in an empty run."""
    return lay_out(make_cells(spec, checkpoints), prompts, spec.unit_size)


def store_unit(
    store: Store,
    unit: Unit,
    shard: Shard,
    features: Mapping[str, np.ndarray],
    texts: Mapping[str, np.ndarray] = {},
    *,
    identities: Mapping[str, str] = EXTRACTORS,
) -> None:
    """Write a unit's shard and features."""
    ShardStore(store).write(unit, shard)
    stored = FeatureStore(store, identities)
    for name, rows in features.items():
        stored.write(unit, shard.pixels, name, StoredFeatures(rows, texts.get(name)))


def write_plan(store: Store, plan: Plan, kept: int, *, stopped: Mapping[str, int] = {}) -> None:
    """Write plan.json for the plan, whose units have 3 prompts."""
    longest = max((plan.units_of(cell) for cell in plan.cells), key=len)
    prompts = [prompt for unit in longest for prompt in unit.chunk.prompts]
    write_plan_file(store, PlanFile(plan.cells, prompts, 3, {EXTRACTOR: "e"}, kept, {}, stopped))


def make_units(
    store: Store, plan: Plan, kept: int, *, units: slice = slice(None)
) -> Mapping[str, np.ndarray]:
    """Write the plan, its shards and images as a worker does; returns the pixels by PNG key."""
    write_plan(store, plan, kept)
    images, writing = ImageStore(store, kept), ImageWriter()
    random = np.random.default_rng(5)
    pixels = {}
    for unit in plan.units[units]:
        n = len(unit.chunk.prompts)
        made = random.integers(0, 256, (n, 8, 8, 3), dtype=np.uint8)
        images.begin(unit, 0, made, writing)
        writing.wait()
        features = random.normal(size=(n, 4)).astype(np.float32)
        shard = Shard(
            sha256=[digest_pixels(image) for image in made],
            thumbnails=np.stack([thumbnail(image) for image in made]),
            flags=[""] * n,
            made=Made(102, [3], "cpu", "torch=1"),
        )
        store_unit(store, unit, shard, {EXTRACTOR: features}, {EXTRACTOR: features})
        pixels |= {
            f"images/{unit.cell.folder}/{prompt.id}.png": image
            for prompt, image in zip(unit.chunk.prompts, made, strict=True)
        }
    writing.close()
    return pixels
