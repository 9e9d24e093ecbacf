"""Stage 3: shards to figures, one row per cell and protocol. Reads shards, makes no image."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from metrics import (
    PROTOCOLS,
    Estimate,
    KernelReference,
    MetricsError,
    Moments,
    Protocol,
    clip_score_estimate,
    frechet_estimate,
    kernel_estimate,
)
from sdbench.errors import InputError
from sdbench.plan import Cell, Plan
from sdbench.results import ResultRow
from sdbench.shards import Made, Shard, ShardStore
from sdbench.spec import ExperimentSpec

__all__ = ["score"]


@dataclass(frozen=True)
class _CellData:
    """All shards of a cell put together; features float32 [n, d] in prompt order."""

    features: dict[str, np.ndarray]
    text_features: dict[str, np.ndarray]
    n: int
    flagged: int
    made: tuple[Made, ...]


@dataclass(frozen=True)
class _Reference:
    """What the distances compare with, per extractor: computed once for all cells."""

    moments: dict[str, Moments]
    kernels: dict[str, KernelReference]


def score(
    spec: ExperimentSpec, plan: Plan, shards: ShardStore, reference: Mapping[str, np.ndarray]
) -> list[ResultRow]:
    """The results of the plan's cells, in plan order, protocols in spec order.

    `reference` holds the features [m, d] of the reference images per extractor. Flagged images are
    counted and stay in: a metric that drops them would flatter the checkpoint.
    Raises StoreError for a missing or damaged shard, InputError where a metric cannot be computed.
    """
    protocols = [PROTOCOLS[name] for name in spec.metrics]
    real = _Reference(
        {p.extractor: Moments.of(reference[p.extractor]) for p in protocols if p.metric == "frechet"},
        {p.extractor: KernelReference.of(reference[p.extractor]) for p in protocols if p.metric == "kernel"},
    )
    rows = []
    for cell in plan.cells:
        data = _collect([shards.read(unit) for unit in plan.units_of(cell)])
        for protocol in protocols:
            try:
                estimate = _estimate(protocol, data, real)
            except MetricsError as error:
                raise InputError(f"{protocol.name} of cell {cell.folder}: {error}") from None
            rows.append(_row(spec, cell, protocol, estimate, data))
    return rows


def _collect(shards: Sequence[Shard]) -> _CellData:
    def together(parts: list[Mapping[str, np.ndarray]]) -> dict[str, np.ndarray]:
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

    return _CellData(
        features=together([shard.features for shard in shards]),
        text_features=together([shard.text_features for shard in shards]),
        n=sum(len(shard.sha256) for shard in shards),
        flagged=sum(1 for shard in shards for flags in shard.flags if flags),
        made=tuple(shard.made for shard in shards),
    )


def _estimate(protocol: Protocol, data: _CellData, real: _Reference) -> Estimate:
    features = data.features[protocol.extractor]
    match protocol.metric:
        case "frechet":
            return frechet_estimate(real=real.moments[protocol.extractor], generated=features)
        case "kernel":
            return kernel_estimate(real=real.kernels[protocol.extractor], generated=features)
        case "clip_score":
            return clip_score_estimate(image=features, text=data.text_features[protocol.extractor])


def _row(
    spec: ExperimentSpec, cell: Cell, protocol: Protocol, estimate: Estimate, data: _CellData
) -> ResultRow:
    notes = [estimate.note] if estimate.note else []
    if data.flagged:
        notes.append(f"{data.flagged} flagged images (black or of one colour) are included")
    return ResultRow(
        checkpoint=cell.checkpoint.name,
        sampler=cell.sampler.name,
        steps=cell.sampler.steps,
        eta=cell.sampler.eta,
        guidance_scale=cell.guidance_scale,
        protocol=protocol.name,
        label=protocol.label,
        better=protocol.better,
        value=estimate.value,
        standard_error=estimate.standard_error,
        note="; ".join(notes),
        n=data.n,
        flagged=data.flagged,
        nfe=data.made[0].nfe,
        image_size=f"{cell.height}x{cell.width}",
        seed=cell.seed,
        precision=cell.precision,
        batch_size=_distinct(str(made.batch_size) for made in data.made),
        device=_distinct(made.device for made in data.made),
        weights_digest=cell.checkpoint.weights_digest,
        spec_digest=spec.digest,
        versions=_distinct(made.versions for made in data.made),
    )


def _distinct(values: Iterable[str]) -> str:
    """One value where all shards agree; else each of them, so that a mixed cell shows."""
    return " + ".join(dict.fromkeys(values))
