"""What all executors have in common."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from sdbench.errors import InputError
from sdbench.plan import Unit
from sdbench.worker import Job, Tick, UnitReport

__all__ = ["Executor", "Gap", "Pool", "Workforce"]


@dataclass(frozen=True)
class Workforce:
    """Who works: an executor's name, how many workers (None: as many as fit), and which cluster."""

    executor: str = "inline"
    workers: int | None = None
    address: str | None = None

    def __post_init__(self) -> None:
        if self.executor == "inline" and (self.workers not in (None, 1) or self.address is not None):
            raise InputError("--workers and --address need --executor ray")

    def check_place(self, place: str | Path) -> None:
        """InputError where the workers, in processes of their own, could not see the run at `place`."""
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
"""Works off units that are not done and yields a report as each one's shard is in the store, in any order.

It can be called again with other units; models stay loaded. Once its last argument says True it begins no
more units, and ends when those under way are done.
"""

Executor = Callable[[Job, Workforce, Callable[[str], None]], AbstractContextManager[Pool]]
"""Opens a pool of workers for the length of a `with` block; it may say lines meanwhile."""
