"""The work of a run: units that are not done, worked off by a pool, again and again if need be."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import cache

from sdbench.core.interrupt import stopping
from sdbench.runs.images import ImageStore
from sdbench.runs.journal import Journal
from sdbench.runs.manifest import Throughput
from sdbench.runs.plan import Plan, Unit
from sdbench.runs.shards import ShardStore, shard_key
from sdbench.runs.store import Store
from sdbench.sweep.executors import EXECUTORS, Executor, Gap, Pool, Workforce
from sdbench.sweep.progress import RunProgress
from sdbench.sweep.worker import Job, UnitReport

__all__ = ["WorkSession", "open_session"]


class WorkSession:
    """Called with a plan, it makes what is not there yet of its images; models stay loaded between calls.

    `made` counts the images of all calls, `gaps` are the units that could not be made, `seconds` those that
    each part of the work took, in all workers together, `pace` how fast each cell's images were made, and
    `threads` with how many at a time.
    """

    def __init__(
        self,
        open_pool: Callable[[], Pool],
        store: Store,
        images_kept: int,
        journal: Journal,
        progress: RunProgress,
    ) -> None:
        self._open_pool = open_pool
        self._shards = ShardStore(store)
        self._images = ImageStore(store, images_kept)
        self._journal = journal
        self._progress = progress
        self.made = 0
        self.gaps: list[Gap] = []
        self.seconds: dict[str, float] = {}
        self.pace: dict[str, Throughput] = {}
        self.threads: set[int] = set()

    def __call__(self, plan: Plan) -> None:
        """Make the images of the plan's units. Raises KeyboardInterrupt once the user has asked to stop."""
        pending = self._pending(plan)
        left = sum(len(unit.chunk.prompts) for unit in pending)
        if left < plan.images:
            self._progress.note(f"{plan.images - left} of {plan.images} images are there already")
        if not pending:
            return
        self._journal.begin()
        pool = self._open_pool()
        self._progress.start(plan, pending)
        with stopping(self._progress.note) as stop:
            for report in pool(pending, self._progress.tick, stop):
                if isinstance(report, Gap):
                    self._missed(report)
                    continue
                for note in report.notes:
                    self._progress.note(note)
                self._finished(report)
                for stage, time in report.seconds.items():
                    self.seconds[stage] = self.seconds.get(stage, 0.0) + time
            if stop():
                raise KeyboardInterrupt

    def _pending(self, plan: Plan) -> list[Unit]:
        done = self._shards.done(plan.units)
        there = [unit for unit in plan.units if shard_key(unit) in done]
        complete = {shard_key(unit) for unit in self._images.complete(there)}
        again = sum(len(unit.chunk.prompts) for unit in there if shard_key(unit) not in complete)
        if again:
            self._progress.note(f"{again} images are made again: PNGs that the spec keeps are not there")
        return [unit for unit in plan.units if shard_key(unit) not in complete]

    def _finished(self, report: UnitReport) -> None:
        images = len(report.unit.chunk.prompts)
        self.made += images
        pace = self.pace.setdefault(report.unit.cell.folder, Throughput())
        pace.add(images, report.seconds.get("generate", 0.0))
        self.threads.add(report.threads)
        self._journal.made(images)
        self._progress.finished(report)

    def _missed(self, gap: Gap) -> None:
        self.gaps.append(gap)
        self._progress.note(f"given up: cell {gap.unit.cell.folder}, unit {gap.unit.name}: {gap.why}")


@contextmanager
def open_session(
    job: Job,
    store: Store,
    workforce: Workforce,
    progress: RunProgress,
    executors: Mapping[str, Executor] = EXECUTORS,
) -> Iterator[WorkSession]:
    """Yield a session that lasts as long as the block; the executor's pool opens once there is work."""
    opened = executors[workforce.executor]
    with Journal(store, workforce.executor) as journal, ExitStack() as stack:

        @cache
        def open_pool() -> Pool:
            return stack.enter_context(opened(job, workforce, progress.note))

        yield WorkSession(open_pool, store, job.images_kept, journal, progress)
