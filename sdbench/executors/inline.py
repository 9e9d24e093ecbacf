"""The default executor: this process, one unit after the other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sdbench.plan import Unit
from sdbench.worker import Job, Tick, UnitReport, Worker

__all__ = ["run_inline"]


def run_inline(job: Job, units: Sequence[Unit], tick: Tick) -> Iterator[UnitReport]:
    """Work off `units` in order; the checkpoint in memory changes only where the plan's does."""
    worker = Worker(job)
    for unit in units:
        yield worker.do(unit, tick)
