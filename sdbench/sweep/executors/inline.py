"""The default executor: this process does one unit after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from sdbench.runs.plan import Unit
from sdbench.sweep.executors.pool import Gap, Pool, Workforce
from sdbench.sweep.worker import Job, Tick, UnitReport, Worker

__all__ = ["inline_pool"]


@contextmanager
def inline_pool(job: Job, workforce: Workforce, note: Callable[[str], None]) -> Iterator[Pool]:
    """Open a pool that does units in order, so that a checkpoint is loaded only when the plan moves to it."""
    with Worker(job) as worker:

        def pool(units: Sequence[Unit], tick: Tick, stop: Callable[[], bool]) -> Iterator[UnitReport | Gap]:
            for unit in units:
                if stop():
                    return
                yield worker.do(unit, tick)

        yield pool
