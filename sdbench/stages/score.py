"""Stage 3: shards to figures, one row per cell and protocol. Reads shards, makes no image."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import compress

import numpy as np

from metrics import PROTOCOLS, Estimate, MetricsError, Protocol
from metrics.evaluate import Reference, evaluate
from sdbench.audit import NOT_FINITE, TRUNCATED, Flagged, audit, counts_in_words
from sdbench.errors import InputError
from sdbench.plan import Cell, Plan
from sdbench.prompts import Prompt
from sdbench.references import Real
from sdbench.results import FlaggedRow, ResultRow
from sdbench.shards import Made, Shard, ShardStore
from sdbench.spec import ExperimentSpec

__all__ = ["Figure", "Sample", "Scores", "measure", "score"]


@dataclass(frozen=True)
class Sample:
    """n images that are measured together: ids, features float32 [n, d] by extractor, and the audit.

    `prompts` are the n texts that the images were made of; empty where nothing reads text.
    """

    ids: Sequence[str]
    prompts: Sequence[str]
    features: Mapping[str, np.ndarray]
    text_features: Mapping[str, np.ndarray]
    audit: Sequence[Flagged]

    @property
    def flagged(self) -> int:
        """How many images have a flag."""
        return sum(1 for image in self.audit if image.flags)

    def flagged_rows(self, cell: str) -> list[FlaggedRow]:
        """The images with a flag, in order."""
        return [
            FlaggedRow(cell, id_, image.flags, "" if image.like is None else self.ids[image.like])
            for id_, image in zip(self.ids, self.audit, strict=True)
            if image.flags
        ]


@dataclass(frozen=True)
class Figure:
    """A figure over all images; the note says more, such as what it is without the flagged ones."""

    estimate: Estimate
    note: str


@dataclass(frozen=True)
class Scores:
    """The results of a run: a row per cell and protocol, and a row per flagged image."""

    rows: list[ResultRow]
    flagged: list[FlaggedRow]


def score(spec: ExperimentSpec, plan: Plan, shards: ShardStore, reference: Mapping[str, Real]) -> Scores:
    """The results of the plan's cells, in plan order, protocols in spec order.

    `reference` holds what each protocol needs of the reference images, by its name. Raises StoreError for
    a missing or damaged shard, InputError where a metric cannot be computed.
    """
    scores = Scores([], [])
    for cell in plan.cells:
        parts = [shards.read(unit) for unit in plan.units_of(cell)]
        prompts = [prompt for unit in plan.units_of(cell) for prompt in unit.chunk.prompts]
        sample = _together(prompts, parts)
        scores.flagged.extend(sample.flagged_rows(cell.folder))
        for name in spec.metrics:
            figure = measure(PROTOCOLS[name], sample, reference.get(name), f"cell {cell.folder}")
            made = [part.made for part in parts]
            scores.rows.append(_row(spec, cell, PROTOCOLS[name], figure, sample, made))
    return scores


def measure(protocol: Protocol, sample: Sample, real: Real | None, where: str) -> Figure:
    """The protocol's figure over all images of the sample.

    Flagged images stay in, since a metric that drops them would flatter the checkpoint; the note counts
    them and gives the figure without them. InputError, which names `where`, where there is no figure.
    """
    prepared = real.prepared if real else None
    try:
        estimate = _estimate(protocol, sample, prepared, np.ones(len(sample.ids), bool))
    except MetricsError as error:
        raise InputError(f"{protocol.name} of {where}: {error}") from None
    notes = [estimate.note, real.note if real else ""]
    if sample.flagged:
        notes.append(_about_flagged(protocol, sample, prepared))
    return Figure(estimate, "; ".join(note for note in notes if note))


def _estimate(protocol: Protocol, sample: Sample, real: Reference | None, kept: np.ndarray) -> Estimate:
    text = sample.text_features.get(protocol.extractor)
    return evaluate(
        protocol,
        generated=sample.features[protocol.extractor][kept],
        real=real,
        text=None if text is None else text[kept],
        prompts=None if text is None else list(compress(sample.prompts, kept)),
    )


def _about_flagged(protocol: Protocol, sample: Sample, real: Reference | None) -> str:
    flags = [image.flags for image in sample.audit]
    absent = any(word in given for word in (NOT_FINITE, TRUNCATED) for given in flags)
    included = f"{sample.flagged} flagged images ({counts_in_words(flags)}) are included"
    included += ", black in place of those not finite or truncated" if absent else ""
    kept = np.array([not given for given in flags])
    try:
        rest = _estimate(protocol, sample, real, kept)
    except MetricsError:
        return f"{included}; too few are left for a figure without them"
    error = "" if rest.standard_error is None else f" ± {rest.standard_error:.3g}"
    return f"{included}; without them {rest.value:.6g}{error} (n = {rest.n})"


def _together(prompts: Sequence[Prompt], shards: Sequence[Shard]) -> Sample:
    def joined(parts: list[Mapping[str, np.ndarray]]) -> dict[str, np.ndarray]:
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

    thumbnails = [shard.thumbnails for shard in shards if shard.thumbnails is not None]
    flags = [given for shard in shards for given in shard.flags]
    sha256 = [digest for shard in shards for digest in shard.sha256]
    complete = len(thumbnails) == len(shards)
    return Sample(
        [prompt.id for prompt in prompts],
        [prompt.text for prompt in prompts],
        joined([shard.features for shard in shards]),
        joined([shard.text_features for shard in shards]),
        audit(flags, sha256, np.concatenate(thumbnails) if complete else None),
    )


def _row(
    spec: ExperimentSpec,
    cell: Cell,
    protocol: Protocol,
    figure: Figure,
    sample: Sample,
    made: Sequence[Made],
) -> ResultRow:
    return ResultRow(
        checkpoint=cell.checkpoint.name,
        sampler=cell.sampler.name,
        steps=cell.sampler.steps,
        eta=cell.sampler.eta,
        guidance_scale=cell.guidance_scale,
        protocol=protocol.name,
        label=protocol.label,
        better=protocol.better,
        value=figure.estimate.value,
        standard_error=figure.estimate.standard_error,
        note=figure.note,
        n=len(sample.ids),
        flagged=sample.flagged,
        nfe=made[0].nfe,
        image_size=f"{cell.height}x{cell.width}",
        seed=cell.seed,
        precision=cell.precision,
        batch_size=_distinct(str(part.batch_size) for part in made),
        device=_distinct(part.device for part in made),
        weights_digest=cell.checkpoint.weights_digest,
        spec_digest=spec.digest,
        versions=_distinct(part.versions for part in made),
    )


def _distinct(values: Iterable[str]) -> str:
    """One value where all shards agree; else each of them, so that a mixed cell shows."""
    return " + ".join(dict.fromkeys(values))
