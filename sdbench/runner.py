"""A run from spec to report: plan, skip what is done, work off the rest, score, report.

Interrupting it loses the unit under way and nothing else; running it again goes on from there.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from metrics import PROTOCOLS
from metrics.features import Extractor
from sdbench import provenance
from sdbench.errors import InputError, StoreError
from sdbench.executors import EXECUTORS
from sdbench.extractors import build_extractor, extractor_names, features_identity
from sdbench.images import ImageStore
from sdbench.manifest import account, now, write_manifest
from sdbench.models import Source
from sdbench.plan import Plan, Unit, make_plan
from sdbench.precision import full_precision
from sdbench.progress import RunProgress
from sdbench.prompts import Prompt, load_prompts
from sdbench.references import (
    Real,
    Reference,
    load_reference,
    prepare_images,
    prepare_stats,
)
from sdbench.registry import Checkpoint, locate_all
from sdbench.reporting import write_report
from sdbench.results import write_flagged, write_results
from sdbench.shards import ShardStore
from sdbench.spec import FEWEST, ExperimentSpec, StatsReference, load_spec
from sdbench.stages.score import score
from sdbench.store import LocalStore
from sdbench.timing import timed
from sdbench.worker import Job

__all__ = ["Outcome", "run_experiment", "score_run"]

WEIGHTS_CACHE = "checkpoints.json"


@dataclass(frozen=True)
class Outcome:
    """What a run left behind."""

    root: Path
    page: Path
    images_made: int
    images_found: int


@dataclass(frozen=True)
class _Inputs:
    sources: tuple[Source, ...]
    prompts: tuple[Prompt, ...]
    reference: Reference | None
    device: str
    extractors: dict[str, Extractor]


@dataclass(frozen=True)
class _Prepared:
    inputs: _Inputs
    store: LocalStore
    checkpoints: list[Checkpoint]
    identities: dict[str, str]
    plan: Plan


def run_experiment(
    spec: ExperimentSpec, root: Path, progress: RunProgress, executor: str = "inline"
) -> Outcome:
    """Carry out `spec` in the run folder `root`, or go on where an earlier invocation stopped.

    All inputs are looked up before the first image is made, so that a missing file ends the run at
    once. Raises InputError for what is missing or wrong, StoreError for a damaged run folder.
    """
    seconds: dict[str, float] = {}
    started = now()
    prepared = _prepare(spec, root, progress, seconds)
    store, plan = prepared.store, prepared.plan
    store.write("spec.yaml", spec.to_yaml().encode("utf-8"))
    with timed(seconds, "reference"):
        reference = _reference(spec, prepared, progress)
    shards, images = ShardStore(store), ImageStore(store, spec.images_kept(len(prepared.inputs.prompts)))
    pending = [unit for unit in plan.units if not (shards.done(unit) and images.complete(unit))]
    job = Job(root, prepared.inputs.device, spec.batch_size, images.kept)
    _work(executor, job, plan, pending, progress, seconds)

    with timed(seconds, "score"):
        _score(spec, prepared, reference, progress)
    made = sum(len(unit.chunk.prompts) for unit in pending)
    facts = {
        **account(spec, plan, prepared.checkpoints, prepared.identities, prepared.inputs.device),
        "images_made": made,
        "images_found": plan.images - made,
        "started": started,
    }
    # The page shows the manifest, so the time that drawing takes is not in it.
    write_manifest(store, facts, seconds)
    return Outcome(root, write_report(root), made, plan.images - made)


def score_run(root: Path, progress: RunProgress) -> Path:
    """Score the complete run in the folder `root` again and return its new page; makes no image.

    Raises StoreError where shards are missing or damaged, InputError as `run_experiment`.
    """
    spec = load_spec(root / "spec.yaml")
    prepared = _prepare(spec, root, progress, {})
    shards = ShardStore(prepared.store)
    missing = [unit for unit in prepared.plan.units if not shards.done(unit)]
    if missing:
        images = sum(len(unit.chunk.prompts) for unit in missing)
        again = f"sdbench run {root / 'spec.yaml'} --out {root}"
        raise StoreError(
            f"{root}: {images} of {prepared.plan.images} images are not made yet; go on: {again}"
        )
    _score(spec, prepared, _reference(spec, prepared, progress), progress)
    return write_report(root)


def _prepare(spec: ExperimentSpec, root: Path, progress: RunProgress, seconds: dict[str, float]) -> _Prepared:
    with timed(seconds, "prepare"):
        inputs = _inputs(spec)
        store = LocalStore(root)
        progress.note(f"{spec.name}: reading checkpoints")
        checkpoints = _identify(inputs.sources, store)
        identities = {name: features_identity(extractor) for name, extractor in inputs.extractors.items()}
        plan = make_plan(spec, checkpoints, inputs.prompts, identities)
        for cell in plan.cells:
            cell.checkpoint.source.check(cell)  # refuses impossible cells now
    return _Prepared(inputs, store, checkpoints, identities, plan)


def _score(
    spec: ExperimentSpec,
    prepared: _Prepared,
    reference: Mapping[str, Real],
    progress: RunProgress,
) -> None:
    progress.note("scoring")
    scores = score(spec, prepared.plan, ShardStore(prepared.store), reference)
    write_flagged(prepared.store, scores.flagged)
    write_results(prepared.store, scores.rows)


def _inputs(spec: ExperimentSpec) -> _Inputs:
    full_precision()
    sources = locate_all(spec.checkpoints)
    prompts = load_prompts(spec.prompts)
    if spec.distances and len(prompts) < FEWEST:
        raise InputError(f"prompts: {len(prompts)} prompt, a distance needs {FEWEST} images at least")
    reference = None
    if spec.reference is not None and not isinstance(spec.reference, StatsReference):
        reference = load_reference(spec.reference, spec.image_size)
    device = provenance.best_device()
    extractors = {name: build_extractor(name, device) for name in extractor_names(spec)}
    return _Inputs(sources, prompts, reference, device, extractors)


def _identify(sources: Sequence[Source], store: LocalStore) -> list[Checkpoint]:
    """The checkpoints with the digests of their weights.

    The digest of what is loaded is what counts, but loading gigabytes only to find that all is done
    would be waste: the run remembers it under the digest of the files' bytes.
    """
    known = _known_digests(store)
    checkpoints = []
    for source in sources:
        key = source.files_digest()
        if key not in known:
            known[key] = source.identify()
            store.write(WEIGHTS_CACHE, json.dumps(known, indent=2).encode())
        checkpoints.append(Checkpoint(source, known[key], source.config_digest()))
    return checkpoints


def _known_digests(store: LocalStore) -> dict[str, str]:
    if not store.exists(WEIGHTS_CACHE):
        return {}
    with store.open(WEIGHTS_CACHE) as stream:
        try:
            return dict(json.load(stream))
        except (ValueError, TypeError):
            raise StoreError(f"{store.path(WEIGHTS_CACHE)}: damaged; delete it and run again") from None


def _reference(spec: ExperimentSpec, prepared: _Prepared, progress: RunProgress) -> dict[str, Real]:
    inputs = prepared.inputs
    protocols = [PROTOCOLS[name] for name in spec.distances]
    if isinstance(spec.reference, StatsReference):
        return prepare_stats(spec.reference, protocols, inputs.extractors, spec.image_size)
    if inputs.reference is None:
        return {}
    return prepare_images(
        prepared.store, inputs.reference, protocols, inputs.extractors, spec.batch_size, progress.note
    )


def _work(
    executor: str,
    job: Job,
    plan: Plan,
    pending: Sequence[Unit],
    progress: RunProgress,
    seconds: dict[str, float],
) -> None:
    left = sum(len(unit.chunk.prompts) for unit in pending)
    if left < plan.images:
        progress.note(f"{plan.images - left} of {plan.images} images are there already")
    if not pending:
        return
    progress.start(plan, plan.images - left)
    for report in EXECUTORS[executor](job, pending, progress.tick):
        progress.finished(report.unit)
        for stage, time in report.seconds.items():
            seconds[stage] = seconds.get(stage, 0.0) + time
