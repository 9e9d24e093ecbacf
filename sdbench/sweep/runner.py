"""A run from spec to report: plan, skip what is done, work off the rest, score, report.

Interrupting it loses the units under way and nothing else; running it again goes on from there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from sdbench.core.environment import best_device
from sdbench.core.errors import SdbenchError, StoreError
from sdbench.core.timing import now
from sdbench.runs.local_copy import Draw, write_page
from sdbench.runs.manifest import account, write_manifest
from sdbench.runs.plan import Plan
from sdbench.runs.plan_file import PlanFile, read_plan_file, write_plan_file
from sdbench.runs.report import write_report
from sdbench.runs.shards import ShardStore, shard_key
from sdbench.runs.store import LocalStore, Store, existing_store, is_url
from sdbench.scoring.references import Real
from sdbench.scoring.score import score, write_scores
from sdbench.spec import ExperimentSpec, load_spec
from sdbench.sweep.budget.spending import Spent, spend
from sdbench.sweep.executors import EXECUTORS, Executor, Gap, Workforce
from sdbench.sweep.prepare import find_reference, prepare, prepare_reference
from sdbench.sweep.progress import RunProgress
from sdbench.sweep.session import at_work
from sdbench.sweep.worker import Job

__all__ = ["Outcome", "run_experiment", "score_run"]

INLINE = Workforce()


@dataclass(frozen=True)
class Outcome:
    """What a run left behind; `page` and `results` say where. `gaps` are the units that it could not make."""

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
) -> Outcome:
    """Carry out `spec` in the run at `place`, a folder or URL, or go on where an earlier invocation stopped.

    All inputs are looked up before the first image is made, so that a missing file ends the run at once.
    `executors` holds what the workforce may name; `draw` writes the page. Raises InputError for what is
    missing or wrong, StoreError for a damaged run folder.
    """
    workforce.check_place(place)
    seconds: dict[str, float] = {}
    started = now()
    # Settled here, so that the run means the same on a machine of another kind.
    spec = spec.model_copy(update={"compile": "on" if spec.compiled_on(best_device()) else "off"})
    with progress.stage(seconds, "prepare"):
        prepared = prepare(spec, str(place), progress.note)
    store, plan, inputs = prepared.store, prepared.plan, prepared.inputs
    kept = spec.images_kept(len(inputs.prompts))
    store.write("spec.yaml", spec.to_yaml().encode("utf-8"))
    plan_file = PlanFile(plan.cells, inputs.prompts, spec.unit_size, prepared.identities, kept)
    write_plan_file(store, plan_file)
    with progress.stage(seconds, "reference"):
        reference = prepare_reference(spec, inputs.reference, store, prepared.identities, progress.note)
    size = min(spec.unit_size, len(inputs.prompts))
    sources = {source.name: source for source in inputs.sources}
    job = Job(store.url, sources, inputs.device, _threads(), spec.batch_size, kept, size)
    with progress.stage(seconds, "work"), at_work(job, store, workforce, progress, executors) as work:
        spent = spend(spec, plan, ShardStore(store), reference, work, progress.note)
    _check_unchanged(spec, store)
    if spent.plan != plan:
        plan = spent.plan
        write_plan_file(store, replace(plan_file, stopped=spent.stopped))
    with progress.stage(seconds, "score"):
        made = replace(spent, plan=_without(plan, work.gaps))
        _score(
            spec,
            store,
            made,
            reference,
            progress,
            partial(_gap_note, asked=len(inputs.prompts), gaps=work.gaps),
        )
    missed = sum(len(gap.unit.chunk.prompts) for gap in work.gaps)
    found = plan.images - work.made - missed
    facts = {
        **account(spec, plan, prepared.checkpoints, prepared.identities, inputs.device),
        **spent.facts,
        "executor": workforce.executor,
        "worker_threads": sorted(work.threads),
        "images_made": work.made,
        "images_found": found,
        "images_missing": missed,
        "reference_passed_over": dict(inputs.reference.passed_over) if inputs.reference else {},
        "started": started,
    }
    # The page shows the manifest, so the time that drawing takes is not in it.
    write_manifest(store, facts, seconds, work.seconds, work.pace)
    page = write_page(store, draw)
    return Outcome(page, store.where("results.csv"), work.made, found, tuple(work.gaps))


def score_run(place: str | Path, progress: RunProgress, *, draw: Draw = write_report) -> str:
    """Score the complete run at `place` again from its shards; returns the place of its page.

    Makes no image and looks up neither weights nor samplers: StoreError if images are missing.
    """
    store = existing_store(place)
    spec, stored = _stored_spec(store), read_plan_file(store)
    shards = ShardStore(store)

    def refuse_missing(plan: Plan) -> None:
        done = shards.done(plan.units)
        missing = [unit for unit in plan.units if shard_key(unit) not in done]
        if missing:
            images = sum(len(unit.chunk.prompts) for unit in missing)
            again = f"sdbench run {'SPEC' if is_url(place) else Path(place) / 'spec.yaml'} --out {place}"
            raise StoreError(
                f"{place}: {images} of {plan.images} images are not made yet; resume with: {again}"
            )

    reference = prepare_reference(spec, find_reference(spec), store, stored.extractors, progress.note)
    spent = spend(spec, stored.whole, shards, reference, refuse_missing, progress.note)
    _score(spec, store, spent, reference, progress)
    return write_page(store, draw)


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
    spent: Spent,
    reference: Mapping[str, Real],
    progress: RunProgress,
    about: Callable[[int], str] = lambda n: "",
) -> None:
    """Write the tables; `about` says what there is to note on a row of n images."""
    scores = score(spec, spent.plan, ShardStore(store), reference, progress.note)
    rows = [
        replace(row, note="; ".join(filter(None, [row.note, about(row.n)])))
        for row in spent.noted(scores.rows)
    ]
    _check_unchanged(spec, store)  # again: scoring a large run takes minutes
    write_scores(store, replace(scores, rows=rows))


def _check_unchanged(spec: ExperimentSpec, store: Store) -> None:
    """StoreError where spec.yaml says another spec now: plan and tables of this one would not fit it."""
    if _stored_spec(store).to_yaml() != spec.to_yaml():
        raise StoreError(
            f"{store.where('spec.yaml')}: another process has begun another spec here; what this one made is "
            "kept, but not scored: run the command again when the other one has ended, or give another --out"
        )


def _gap_note(n: int, asked: int, gaps: Sequence[Gap]) -> str:
    return f"{asked - n} of {asked} images could not be made" if gaps and n < asked else ""


def _without(plan: Plan, gaps: Sequence[Gap]) -> Plan:
    """The plan of what there is; SdbenchError where that is nothing."""
    missing = {shard_key(gap.unit) for gap in gaps}
    units = tuple(unit for unit in plan.units if shard_key(unit) not in missing)
    if not units:
        raise SdbenchError(f"no unit could be made: {gaps[0].why}")
    there = {unit.cell for unit in units}
    return Plan(tuple(cell for cell in plan.cells if cell in there), units)


def _threads() -> int:
    import torch

    return torch.get_num_threads()
