"""The interface of executors."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from sdbench.core.errors import InputError
from sdbench.runs.plan import Unit
from sdbench.sweep.worker import Job, Tick, UnitReport

__all__ = ["Executor", "Gap", "Pool", "Workforce"]


@dataclass(frozen=True)
class Workforce:
    """What does the work.

    Attributes:
        executor: Name of the executor.
        workers: Number of workers; None means as many as fit.
        address: The cluster to join; None means this machine.
    """

    executor: str = "inline"
    workers: int | None = None
    address: str | None = None

    def __post_init__(self) -> None:
        if self.executor == "inline" and (self.workers not in (None, 1) or self.address is not None):
            raise InputError("--workers and --address need --executor ray")

    def check_place(self, place: str | Path) -> None:
        """Raise InputError if the workers' processes could not access a run at `place`."""
        if self.executor != "inline" and str(place).startswith("memory://"):
            raise InputError(
                "a run in memory:// cannot be shared with other processes: use --executor inline"
            )


@dataclass(frozen=True)
class Gap:
    """A unit that could not be made, and why."""

    unit: Unit
    why: str


Pool = Callable[[Sequence[Unit], Tick, Callable[[], bool]], Iterator[UnitReport | Gap]]
"""(units, tick, stop) -> a report for each unit once its shard is in the store, in any order.

It can be called again with other units; models stay loaded. Once `stop` returns True it begins no more units
and ends when those in progress are done.
"""

Executor = Callable[[Job, Workforce, Callable[[str], None]], AbstractContextManager[Pool]]
"""(job, workforce, note) -> a pool of workers that is open in a `with` block; it may send notes meanwhile."""
