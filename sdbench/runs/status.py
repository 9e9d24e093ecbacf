"""How far a run is, by what its store holds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sdbench.runs.journal import JournalEntry, last_entry
from sdbench.runs.labels import cell_label
from sdbench.runs.plan_file import read_plan_file, unit_images
from sdbench.runs.store import Store

__all__ = ["CellStatus", "RunStatus", "status_of"]


@dataclass(frozen=True)
class CellStatus:
    """Images of one cell, named by its id and for people: `done` of `total` are stored."""

    cell: str
    label: str
    done: int
    total: int


@dataclass(frozen=True)
class RunStatus:
    """The cells in plan order, and the last session that made images, or None."""

    cells: Sequence[CellStatus]
    session: JournalEntry | None

    @property
    def done(self) -> int:
        """Images that are stored."""
        return sum(cell.done for cell in self.cells)

    @property
    def total(self) -> int:
        """Images of the whole plan."""
        return sum(cell.total for cell in self.cells)

    @property
    def seconds_left(self) -> float | None:
        """Time left at the rate of the last session; None if that is not known."""
        rate = self.session.rate if self.session else None
        return (self.total - self.done) / rate if rate else None


def status_of(store: Store) -> RunStatus:
    """Count the images of the stored shards, which are always complete. Lists each cell's folder once."""
    content = read_plan_file(store)
    curves = content.whole.curves
    cells = []
    for cell in content.cells:
        units = content.units[cell.folder]
        stored = store.names(f"shards/{cell.folder}")
        done = sum(unit_images(unit) for unit in units if f"{unit}.parquet" in stored)
        label = cell_label(curves[cell], cell.settings.guidance_scale)
        cells.append(CellStatus(cell.folder, label, done, sum(unit_images(unit) for unit in units)))
    return RunStatus(cells, last_entry(store))
