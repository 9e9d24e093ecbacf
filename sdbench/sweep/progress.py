"""Progress of a run: counted here, shown on a display and written to a log."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from sdbench.core.console import CellShare, Display
from sdbench.core.event_log import EventLog
from sdbench.core.progress import Progress, pace
from sdbench.core.terminal import VERBOSITY, Verbosity
from sdbench.core.timing import timed
from sdbench.runs.labels import cell_label
from sdbench.runs.plan import Cell, Plan, Unit
from sdbench.sweep.worker import UnitReport

__all__ = ["RunProgress"]


class RunProgress(Progress):
    """Shows images done, the cells, images per second of this invocation, and the time left at that rate.

    Also writes every event to `log`, if given.
    """

    def __init__(self, display: Display | None = None, log: EventLog | None = None) -> None:
        super().__init__(display)
        self._log = log
        self._cells: dict[Cell, _CellState] = {}
        self._under_way: dict[Unit, float] = {}
        self._total = self._complete = self._made = 0
        self._began: float | None = None

    def note(self, text: str) -> None:
        """Show a line."""
        super().note(text)
        self._event("note", text=text)

    @contextmanager
    def stage(self, seconds: dict[str, float], name: str) -> Iterator[None]:
        """Add the wall time of the block to `seconds[name]`, and log the end of the stage."""
        before = seconds.get(name, 0.0)
        with timed(seconds, name):
            yield
        took = seconds[name] - before
        self._detail(f"{name}: {took:.1f} s")
        self._event("stage", stage=name, seconds=round(took, 3))

    def start(self, plan: Plan, pending: Sequence[Unit]) -> None:
        """Begin `plan`, or continue with a bigger one; its `pending` units are still to be done."""
        left = Counter[Cell]()
        for unit in pending:
            left[unit.cell] += len(unit.chunk.prompts)
        for cell in plan.cells:
            # A cell keeps its number and its label if the plan shrinks, as it does under a budget.
            known = self._cells.get(cell)
            place = known.place if known else len(self._cells) + 1
            curve = known.curve if known else plan.curves[cell]
            images = sum(len(unit.chunk.prompts) for unit in plan.units_of(cell))
            self._cells[cell] = _CellState(place, curve, images, images - left[cell])
        self._total, self._complete = plan.images, plan.images - left.total()
        self._began = time.monotonic() if self._began is None else self._began
        self._event("start", cells=len(plan.cells), images=plan.images, found=self._complete)

    def tick(self, unit: Unit, images: float) -> None:
        """Show that `images` of the unit's images are made; may be fractional."""
        self._under_way[unit] = images
        self._update(unit)

    def finished(self, report: UnitReport) -> None:
        """Count a unit whose shard is stored."""
        unit = report.unit
        images = len(unit.chunk.prompts)
        self._under_way.pop(unit, None)
        self._complete += images
        self._made += images
        self._cells[unit.cell].done += images
        took = ", ".join(f"{part} {value:.1f} s" for part, value in report.seconds.items())
        self._detail(f"{unit.cell.folder}, unit {unit.name}: {images} images, {took}")
        self._event(
            "unit",
            cell=unit.cell.folder,
            unit=unit.name,
            images=images,
            seconds=round(sum(report.seconds.values()), 3),
            parts={part: round(value, 3) for part, value in report.seconds.items()},
            batch_sizes=report.batch_sizes,
            device=report.device,
        )
        self._update(unit)

    def scored(self, cells: int, total: int) -> None:
        """Show that `cells` of `total` cells are scored."""
        if self._display is not None:
            self._display.update(f"{cells}/{total} cells scored", cells, total, self._shares())

    def _detail(self, text: str) -> None:
        if VERBOSITY.get() is Verbosity.VERBOSE:
            super().note(text)

    def _event(self, event: str, **facts: object) -> None:
        if self._log is not None:
            self._log.write(event, **facts)

    def _update(self, unit: Unit) -> None:
        if self._display is None:
            return
        under_way = sum(self._under_way.values())
        images = self._complete + under_way
        cell = unit.cell
        state = self._cells[cell]
        name = cell_label(state.curve, cell.settings.guidance_scale)
        place = f"cell {state.place}/{len(self._cells)} ({name})"
        assert self._began is not None
        rate = pace("images", self._made + under_way, self._total - images, self._began)
        # The cell comes last, because a narrow terminal cuts off the end.
        words = ", ".join([f"{images:.0f}/{self._total} images", *rate, place])
        self._display.update(words, images, self._total, self._shares())

    def _shares(self) -> list[CellShare]:
        begun = dict.fromkeys(self._cells, 0.0)
        for unit, images in self._under_way.items():
            begun[unit.cell] += images
        return [
            CellShare(
                state.curve, f"{cell.settings.guidance_scale:g}", (state.done + begun[cell]) / state.images
            )
            for cell, state in self._cells.items()
        ]


@dataclass
class _CellState:
    """A cell's number in the plan, its curve, its images and how many of them are done."""

    place: int
    curve: str
    images: int
    done: int
