"""Executors: where units are worked off. A new one is a new file and a line in EXECUTORS."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from sdbench.executors.inline import run_inline
from sdbench.plan import Unit
from sdbench.worker import Job, Tick, UnitReport

__all__ = ["EXECUTORS", "Executor"]

Executor = Callable[[Job, Sequence[Unit], Tick], Iterator[UnitReport]]
"""Works off units that are not done and yields a report as each one's shard is on disk, in any order."""

EXECUTORS: dict[str, Executor] = {"inline": run_inline}
