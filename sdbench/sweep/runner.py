"""Carries out a run from spec to report: plan, skip units that are done, make the others, score, report.

An interruption loses only the units in progress; running the same command again resumes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from sdbench.core.environment import best_device
from sdbench.core.errors import InputError, SdbenchError, StoreError
from sdbench.core.precision import compiler_here
from sdbench.core.progress import Note
from sdbench.core.timing import now
from sdbench.models import Source
from sdbench.runs.local_copy import Draw, write_page
from sdbench.runs.manifest import account, amend_manifest, write_manifest
from sdbench.runs.plan import Plan
from sdbench.runs.plan_file import PlanFile, read_plan_file, write_plan_file
from sdbench.runs.report import write_report
from sdbench.runs.shards import shard_key
from sdbench.runs.store import LocalStore, Store, existing_store
from sdbench.scoring.categories import Categories
from sdbench.scoring.reference_sets import find_reference
from sdbench.scoring.references import Real
from sdbench.scoring.sample import SampleReader
from sdbench.scoring.score import score, write_scores
from sdbench.spec import ExperimentSpec, load_spec
from sdbench.sweep.budget.spending import Spent, spend
from sdbench.sweep.executors import EXECUTORS, Executor, Gap, Workforce
from sdbench.sweep.executors.ray import compiler_of_workers
from sdbench.sweep.more_metrics import all_identities, require_readable, with_metrics
from sdbench.sweep.prepare import (
    PreparedRun,
    prepare,
    prepare_reference,
    with_image_size,
)
from sdbench.sweep.progress import RunProgress
from sdbench.sweep.session import open_session
from sdbench.sweep.worker import Job

__all__ = ["RunOutcome", "run_experiment", "score_run"]

INLINE = Workforce()


@dataclass(frozen=True)
class RunOutcome:
    """How a run ended: where page and results are, images made and found, and units that failed."""

    page: str
    results: str
    images_made: int
    images_found: int
    gaps: tuple[Gap, ...]


def run_experiment(
    spec: ExperimentSpec,
    place: str | Path,
    progress: RunProgress,
    workforce: Workforce = INLINE,
    *,
    executors: Mapping[str, Executor] = EXECUTORS,
    draw: Draw = write_report,
) -> RunOutcome:
    """Carry out `spec`, or resume where an earlier invocation stopped.

    All inputs are looked up before the first image is made, so that a missing file ends the run at once.

    Args:
        spec: The experiment.
        place: The run: a folder or a URL.
        progress: Shows and logs the progress.
        workforce: Names one of `executors`, and its workers.
        executors: Executors by name.
        draw: Writes the page.

    Raises:
        InputError: Something that the spec names is missing or wrong.
        StoreError: The run folder is damaged.
    """
    workforce.check_place(place)
    seconds: dict[str, float] = {}
    started, spec = now(), _compile_decided(with_image_size(spec), workforce, progress.note)
    with progress.stage(seconds, "prepare"):
        prepared = prepare(spec, str(place), progress.note)
    store, plan, inputs = prepared.store, prepared.plan, prepared.inputs
    store.write("spec.yaml", spec.to_yaml().encode("utf-8"))
    write_plan_file(store, plan_file := _plan_file(spec, prepared))
    with progress.stage(seconds, "reference"):
        reference = prepare_reference(spec, inputs.reference, store, prepared.identities, progress.note)
    sources = {source.name: source for source in inputs.sources}
    job = _job(spec, store, sources, prepared.identities, len(inputs.prompts))
    with progress.stage(seconds, "work"), open_session(job, store, workforce, progress, executors) as work:
        samples = SampleReader(store, prepared.identities, job.images_kept)
        spent = spend(spec, plan, samples, reference, work, progress.note)
    _check_unchanged(spec, store)
    if spent.plan != plan:
        plan = spent.plan
        write_plan_file(store, replace(plan_file, stopped=spent.stopped))
    with progress.stage(seconds, "score"):
        made = replace(spent, plan=_without(plan, work.gaps))
        about = partial(_gap_note, asked=len(inputs.prompts), gaps=work.gaps)
        _score(spec, store, samples, made, reference, progress, plan_file.categories, about)
    missed = sum(len(gap.unit.chunk.prompts) for gap in work.gaps)
    found = plan.images - work.made - missed
    facts = {
        **account(spec, plan, prepared.checkpoints, prepared.identities, inputs.device),
        **spent.facts,
        **{"executor": workforce.executor, "worker_threads": sorted(work.threads)},
        **{"images_made": work.made, "images_found": found, "images_missing": missed, "started": started},
        "reference_passed_over": dict(inputs.reference.passed_over) if inputs.reference else {},
    }
    # Written before the page, which shows it; the manifest therefore lacks the time that drawing takes.
    write_manifest(store, facts, seconds, work.seconds, work.throughput)
    return RunOutcome(write_page(store, draw), store.where("results.csv"), work.made, found, tuple(work.gaps))


def score_run(
    place: str | Path, progress: RunProgress, metrics: Sequence[str] = (), *, draw: Draw = write_report
) -> str:
    """Score the complete run at `place` again from its shards; return where its page is.

    Makes no image and looks up neither weights nor samplers. Features that are missing are computed from the
    PNGs. `metrics` are added to the run's own; its spec.yaml and plan.json then name them too.

    Raises:
        InputError: A metric is unknown, or lacks what it needs.
        StoreError: Images are missing.
    """
    store = existing_store(place)
    stored = read_plan_file(store)
    spec = with_metrics(_stored_spec(store), metrics)
    found = find_reference(spec.reference, spec.height_width)
    identities = all_identities(spec, stored, found)
    samples = SampleReader(store, identities, stored.images_kept)
    job = _job(spec, store, {}, identities, len(stored.prompts))

    def readable(plan: Plan) -> Plan:
        lacking = Plan(plan.cells, samples.lacking(plan.units))
        if lacking.units:
            require_readable(place, lacking, plan.images, job, store)
        return lacking

    if metrics:
        readable(stored.plan)  # before anything is written
    reference = prepare_reference(spec, found, store, identities, progress.note)
    if metrics:
        store.write("spec.yaml", spec.to_yaml().encode("utf-8"))
        write_plan_file(store, replace(stored, extractors=identities))
    with open_session(job, store, INLINE, progress) as work:
        spent = spend(
            spec, stored.whole, samples, reference, lambda plan: work(readable(plan)), progress.note
        )
    _score(spec, store, samples, spent, reference, progress, stored.categories)
    if metrics:
        amend_manifest(store, {"spec_digest": spec.digest, "features_identities": identities})
    return write_page(store, draw)


def _compile_decided(spec: ExperimentSpec, workforce: Workforce, note: Note) -> ExperimentSpec:
    """Return the spec that spec.yaml keeps: it means the same on another kind of machine.

    Raises:
        InputError: The spec says `compile: on`, and torch's compiler cannot work.
    """
    if spec.compile == "off":
        return spec
    # The workers of a cluster may have GPUs that this machine lacks.
    device, obstacle = (
        compiler_here() if workforce.address is None else compiler_of_workers(workforce.address, note)
    )
    if spec.compile == "on" and obstacle is not None:
        raise InputError(f"compile: on: {obstacle}; use compile: off")
    if obstacle is not None and device.startswith("cuda"):
        note(f"models are not compiled: {obstacle}")
    compiled = spec.compile == "on" or (device.startswith("cuda") and obstacle is None)
    return spec.model_copy(update={"compile": "on" if compiled else "off"})


def _plan_file(spec: ExperimentSpec, prepared: PreparedRun) -> PlanFile:
    prompts = prepared.inputs.prompts
    kept = spec.images_kept(len(prompts))
    return PlanFile(
        prepared.plan.cells,
        prompts,
        spec.unit_size,
        prepared.identities,
        kept,
        prepared.ends,
        columns=prepared.inputs.columns,
    )


def _job(
    spec: ExperimentSpec,
    store: Store,
    sources: Mapping[str, Source],
    identities: Mapping[str, str],
    count: int,
) -> Job:
    """Return the job for `count` prompts; without `sources`, images are only read."""
    return Job(
        place=store.url,
        sources=sources,
        extractors=identities,
        device=best_device(),
        threads=_threads(),
        batch_size=spec.batch_size,
        images_kept=spec.images_kept(count),
        unit_size=min(spec.unit_size, count),
        reference=spec.reference,
        image_size=spec.height_width,
    )


def _stored_spec(store: Store) -> ExperimentSpec:
    if isinstance(store, LocalStore):
        return load_spec(store.path("spec.yaml"))
    with TemporaryDirectory(prefix="sdbench-") as folder:
        copy = Path(folder) / "spec.yaml"
        copy.write_bytes(store.read("spec.yaml"))
        return load_spec(copy)


def _score(
    spec: ExperimentSpec,
    store: Store,
    samples: SampleReader,
    spent: Spent,
    reference: Mapping[str, Real],
    progress: RunProgress,
    categories: Categories,
    about: Callable[[int], str] = lambda n: "",
) -> None:
    """Write the tables; `about` returns a note for a row of n images."""
    scores = score(spec, spent.plan, samples, reference, progress.note, progress.scored, categories)
    rows = [
        replace(row, note="; ".join(filter(None, [row.note, about(row.n)])))
        for row in spent.noted(scores.rows)
    ]
    _check_unchanged(spec, store)  # again: scoring a large run takes minutes
    write_scores(store, replace(scores, rows=rows))


def _check_unchanged(spec: ExperimentSpec, store: Store) -> None:
    """Raise StoreError if spec.yaml now holds another spec, which plan and tables would not fit."""
    if _stored_spec(store).to_yaml() != spec.to_yaml():
        raise StoreError(
            f"{store.where('spec.yaml')}: another process has begun another spec here; this run's images are "
            "kept but not scored: run the command again when the other has ended, or use another --out"
        )


def _gap_note(n: int, asked: int, gaps: Sequence[Gap]) -> str:
    return f"{asked - n} of {asked} images could not be made" if gaps and n < asked else ""


def _without(plan: Plan, gaps: Sequence[Gap]) -> Plan:
    """Return the plan without the gaps; raise SdbenchError if nothing remains."""
    missing = {shard_key(gap.unit) for gap in gaps}
    units = tuple(unit for unit in plan.units if shard_key(unit) not in missing)
    if not units:
        raise SdbenchError(f"no unit could be made: {gaps[0].why}")
    made = {unit.cell for unit in units}
    return Plan(tuple(cell for cell in plan.cells if cell in made), units)


def _threads() -> int:
    import torch

    return torch.get_num_threads()
