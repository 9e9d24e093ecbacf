"""A run from spec to report: plan, skip what is done, work off the rest, score, report.

Interrupting it loses the units under way and nothing else; running it again goes on from there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from sdbench.budget.spending import Spent, spend
from sdbench.errors import SdbenchError, StoreError
from sdbench.executors import Gap, Workforce
from sdbench.manifest import account, write_manifest
from sdbench.mirror import write_page
from sdbench.plan import Plan
from sdbench.plan_file import write_plan_file
from sdbench.preparation import Prepared, prepare, prepare_reference
from sdbench.progress import RunProgress
from sdbench.provenance import best_device
from sdbench.references import Real
from sdbench.shards import ShardStore, shard_key
from sdbench.spec import ExperimentSpec, load_spec
from sdbench.stages.score import score, write_scores
from sdbench.store import LocalStore, Store, existing_store, is_url
from sdbench.timing import now
from sdbench.work import at_work
from sdbench.worker import Job

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
    spec: ExperimentSpec, place: str | Path, progress: RunProgress, workforce: Workforce = INLINE
) -> Outcome:
    """Carry out `spec` in the run at `place`, a folder or URL, or go on where an earlier invocation stopped.

    All inputs are looked up before the first image is made, so that a missing file ends the run at
    once. Raises InputError for what is missing or wrong, StoreError for a damaged run folder.
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
    write_plan_file(store, plan, kept)
    with progress.stage(seconds, "reference"):
        reference = prepare_reference(spec, prepared, progress.note)
    size = min(spec.unit_size, len(inputs.prompts))
    job = Job(store.url, inputs.device, _threads(), spec.batch_size, kept, size)
    with progress.stage(seconds, "work"), at_work(job, store, workforce, progress) as work:
        spent = spend(spec, plan, ShardStore(store), reference, work, progress.note)
    _check_unchanged(spec, store)
    if spent.plan != plan:
        plan = spent.plan
        write_plan_file(store, plan, kept)
    with progress.stage(seconds, "score"):
        _score(spec, prepared, replace(spent, plan=_without(plan, work.gaps)), reference, work.gaps, progress)
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
        "started": started,
    }
    # The page shows the manifest, so the time that drawing takes is not in it.
    write_manifest(store, facts, seconds, work.seconds, work.pace)
    page = write_page(store)
    return Outcome(page, store.where("results.csv"), work.made, found, tuple(work.gaps))


def score_run(place: str | Path, progress: RunProgress) -> str:
    """Score the complete run at `place` again from its shards; returns where its page is.

    Makes no image: StoreError where some are missing.
    """
    spec = _stored_spec(existing_store(place))
    prepared = prepare(spec, str(place), progress.note)
    shards = ShardStore(prepared.store)

    def refuse_missing(plan: Plan) -> None:
        done = shards.done(plan.units)
        missing = [unit for unit in plan.units if shard_key(unit) not in done]
        if missing:
            images = sum(len(unit.chunk.prompts) for unit in missing)
            again = f"sdbench run {'SPEC' if is_url(place) else Path(place) / 'spec.yaml'} --out {place}"
            raise StoreError(f"{place}: {images} of {plan.images} images are not made yet; go on: {again}")

    reference = prepare_reference(spec, prepared, progress.note)
    spent = spend(spec, prepared.plan, shards, reference, refuse_missing, progress.note)
    _score(spec, prepared, spent, reference, (), progress)
    return write_page(prepared.store)


def _stored_spec(store: Store) -> ExperimentSpec:
    if isinstance(store, LocalStore):
        return load_spec(store.path("spec.yaml"))
    with TemporaryDirectory(prefix="sdbench-") as folder:
        copy = Path(folder) / "spec.yaml"
        copy.write_bytes(store.read("spec.yaml"))
        return load_spec(copy)


def _score(
    spec: ExperimentSpec,
    prepared: Prepared,
    spent: Spent,
    reference: Mapping[str, Real],
    gaps: Sequence[Gap],
    progress: RunProgress,
) -> None:
    scores = score(spec, spent.plan, ShardStore(prepared.store), reference, progress.note)
    noted = spent.noted(scores.rows)
    rows = [replace(row, note=_with_gaps(row.note, row.n, prepared, gaps)) for row in noted]
    _check_unchanged(spec, prepared.store)  # again: scoring a large run takes minutes
    write_scores(prepared.store, replace(scores, rows=rows))


def _check_unchanged(spec: ExperimentSpec, store: Store) -> None:
    """StoreError where spec.yaml says another spec now: plan and tables of this one would not fit it."""
    if _stored_spec(store).to_yaml() != spec.to_yaml():
        raise StoreError(
            f"{store.where('spec.yaml')}: another process has begun another spec here; what this one made is "
            "kept, but not scored: run the command again when the other one has ended, or give another --out"
        )


def _with_gaps(note: str, n: int, prepared: Prepared, gaps: Sequence[Gap]) -> str:
    asked = len(prepared.inputs.prompts)
    if not gaps or n == asked:
        return note
    return "; ".join(filter(None, [note, f"{asked - n} of {asked} images could not be made"]))


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
