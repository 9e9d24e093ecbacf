"""A work session: makes the missing units of one plan after another, with the pool of an executor."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import cache

from sdbench.core.interrupt import stopping
from sdbench.runs.features import FeatureStore
from sdbench.runs.images import ImageStore
from sdbench.runs.journal import Journal
from sdbench.runs.manifest import Throughput
from sdbench.runs.needs import needs_of
from sdbench.runs.plan import Plan, Unit
from sdbench.runs.shards import ShardStore
from sdbench.runs.store import Store
from sdbench.sweep.executors import EXECUTORS, Executor, Gap, Pool, Workforce
from sdbench.sweep.progress import RunProgress
from sdbench.sweep.same_images import FirstImages
from sdbench.sweep.worker import Job, UnitReport

__all__ = ["WorkSession", "open_session"]


class WorkSession:
    """Called with a plan, makes those of its images that are missing. Models stay loaded between calls.

    Attributes:
        made: Number of images made in all calls.
        gaps: Units that could not be made.
        seconds: Seconds that each part of the work took, summed over all workers.
        throughput: Images and seconds by the folder of a cell.
        threads: Numbers of torch threads that workers used.
    """

    def __init__(
        self,
        open_pool: Callable[[], Pool],
        store: Store,
        job: Job,
        journal: Journal,
        progress: RunProgress,
    ) -> None:
        self._open_pool = open_pool
        self._shards = ShardStore(store)
        self._images = ImageStore(store, job.images_kept)
        self._features = FeatureStore(store, job.extractors)
        self._first_images = FirstImages(self._shards)
        self._noted: set[str] = set()
        self._journal = journal
        self._progress = progress
        self.made = 0
        self.gaps: list[Gap] = []
        self.seconds: dict[str, float] = {}
        self.throughput: dict[str, Throughput] = {}
        self.threads: set[int] = set()

    def __call__(self, plan: Plan) -> None:
        """Make the missing images and features; raise KeyboardInterrupt if the user asked to stop."""
        pending = self._pending(plan)
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
                for note in dict.fromkeys(report.notes):
                    self._note_once(note)
                self._finished(report)
                self._first_images.add([report.unit])
                for stage, time in report.seconds.items():
                    self.seconds[stage] = self.seconds.get(stage, 0.0) + time
            if stop():
                raise KeyboardInterrupt

    def _pending(self, plan: Plan) -> list[Unit]:
        """Return the units that lack something, in plan order, and say how many images that concerns."""
        need = needs_of(plan, self._shards, self._images, self._features)
        if need.stored or need.read:
            parts = [(need.stored, "stored already"), (need.read, "read for features"), (need.made, "made")]
            words = ", ".join(f"{count} are {what}" for count, what in parts if count)
            self._progress.note(f"of {plan.images} images {words}")
        if need.without_pngs:
            note = f"{need.without_pngs} images are made again: PNGs that the spec keeps are missing"
            self._progress.note(note)
        if need.without_pixels:
            note = f"{need.without_pixels} images are made again for their features: their PNGs are not kept"
            self._progress.note(note)
        lacking = set(need.units)
        self._first_images.add(unit for unit in plan.units if unit not in lacking)
        return list(need.units)

    def _note_once(self, note: str) -> None:
        """Show a line that several workers may report."""
        if note not in self._noted:
            self._noted.add(note)
            self._progress.note(note)

    def _finished(self, report: UnitReport) -> None:
        self.made += report.images
        if report.images:
            throughput = self.throughput.setdefault(report.unit.cell.folder, Throughput())
            throughput.add(report.images, report.seconds.get("generate", 0.0))
        self.threads.add(report.threads)
        self._journal.made(report.images)
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

        yield WorkSession(open_pool, store, job, journal, progress)
