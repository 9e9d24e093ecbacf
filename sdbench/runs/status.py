"""How far a run is, by what lies in its store."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sdbench.runs.journal import JournalEntry, last_entry
from sdbench.runs.plan_file import read_plan_file, unit_images
from sdbench.runs.store import Store

__all__ = ["CellStatus", "RunStatus", "status_of"]


@dataclass(frozen=True)
class CellStatus:
    """Images of one cell: how many are there of how many."""

    cell: str
    done: int
    total: int


@dataclass(frozen=True)
class RunStatus:
    """The cells in plan order, and the last time that work was done; None where none was."""

    cells: Sequence[CellStatus]
    session: JournalEntry | None

    @property
    def done(self) -> int:
        """Images that are there."""
        return sum(cell.done for cell in self.cells)

    @property
    def total(self) -> int:
        """Images of the whole plan."""
        return sum(cell.total for cell in self.cells)

    @property
    def seconds_left(self) -> float | None:
        """What is left at the rate of the last session; None where that is not known."""
        rate = self.session.rate if self.session else None
        return (self.total - self.done) / rate if rate else None


def status_of(store: Store) -> RunStatus:
    """Count the run's shards, which are complete where they are there; one listing a cell."""
    plan = read_plan_file(store)
    cells = []
    for cell, units in plan.units.items():
        there = store.names(f"shards/{cell}")
        done = sum(unit_images(unit) for unit in units if f"{unit}.parquet" in there)
        cells.append(CellStatus(cell, done, sum(unit_images(unit) for unit in units)))
    return RunStatus(cells, last_entry(store))
