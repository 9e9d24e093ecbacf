"""How far a run or a training is: counted here, shown by a display."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Self

from sdbench.display import CellShare, Display
from sdbench.event_log import EventLog
from sdbench.labels import cell_label
from sdbench.plan import Cell, Plan, Unit
from sdbench.timing import duration, timed

if TYPE_CHECKING:
    from sdbench.worker import UnitReport

__all__ = ["ImageProgress", "RunProgress", "TrainingProgress"]


class _Progress:
    """Holds a display open for the length of a `with` block; without a display nothing is shown."""

    def __init__(self, display: Display | None) -> None:
        self._display = display

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._display is not None:
            self._display.close()

    def note(self, text: str) -> None:
        """Say a line."""
        if self._display is not None:
            self._display.note(text)

    def _show(self, words: list[str], done: float, total: float) -> None:
        if self._display is not None:
            self._display.update(", ".join(words), done, total)


class RunProgress(_Progress):
    """Images done, the cells, images a second of this invocation, and the time left at that rate.

    All that happens goes into `log` too, where there is one.
    """

    def __init__(self, display: Display | None = None, log: EventLog | None = None) -> None:
        super().__init__(display)
        self._log = log
        self._cells: dict[Cell, _CellState] = {}
        self._under_way: dict[Unit, float] = {}
        self._total = self._complete = self._made = 0
        self._began: float | None = None

    def note(self, text: str) -> None:
        """Say a line."""
        super().note(text)
        self._event("note", text=text)

    @contextmanager
    def stage(self, seconds: dict[str, float], name: str) -> Iterator[None]:
        """Add the wall time of the block to `seconds[name]`, and say in the log that the stage is over."""
        before = seconds.get(name, 0.0)
        with timed(seconds, name):
            yield
        self._event("stage", stage=name, seconds=round(seconds[name] - before, 3))

    def start(self, plan: Plan, pending: Sequence[Unit]) -> None:
        """Work begins, or goes on with a bigger plan: its `pending` units are still to be done."""
        left = Counter[Cell]()
        for unit in pending:
            left[unit.cell] += len(unit.chunk.prompts)
        for cell in plan.cells:
            # A cell keeps its number and its name when the plan shrinks, as under a budget.
            known = self._cells.get(cell)
            place = known.place if known else len(self._cells) + 1
            curve = known.curve if known else plan.curves[cell]
            images = sum(len(unit.chunk.prompts) for unit in plan.units_of(cell))
            self._cells[cell] = _CellState(place, curve, images, images - left[cell])
        self._total, self._complete = plan.images, plan.images - left.total()
        self._began = time.monotonic() if self._began is None else self._began
        self._event("start", cells=len(plan.cells), images=plan.images, found=self._complete)

    def tick(self, unit: Unit, images: float) -> None:
        """`images` of the unit's images are made, in fractions."""
        self._under_way[unit] = images
        self._update(unit)

    def finished(self, report: UnitReport) -> None:
        """A unit's shard is in the store."""
        unit = report.unit
        images = len(unit.chunk.prompts)
        self._under_way.pop(unit, None)
        self._complete += images
        self._made += images
        self._cells[unit.cell].done += images
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
        place = f"cell {state.place}/{len(self._cells)} ({cell_label(state.curve, cell.guidance_scale)})"
        assert self._began is not None
        pace = _pace("images", self._made + under_way, self._total - images, self._began)
        # The place comes last: a narrow terminal cuts the end off.
        words = ", ".join([f"{images:.0f}/{self._total} images", *pace, place])
        self._display.update(words, images, self._total, self._shares())

    def _shares(self) -> list[CellShare]:
        begun = dict.fromkeys(self._cells, 0.0)
        for unit, images in self._under_way.items():
            begun[unit.cell] += images
        return [
            CellShare(state.curve, f"{cell.guidance_scale:g}", (state.done + begun[cell]) / state.images)
            for cell, state in self._cells.items()
        ]


@dataclass
class _CellState:
    """A cell's place in the plan, its curve, its images and how many of them are done."""

    place: int
    curve: str
    images: int
    done: int


class TrainingProgress(_Progress):
    """The part under way, its steps, the latest loss, and the time left for this part."""

    def __init__(self, display: Display | None = None) -> None:
        super().__init__(display)
        self._part = ""
        self._first = 0
        self._began = 0.0

    def __call__(self, part: str, done: int, total: int, loss: float) -> None:
        """`done` of the `total` steps of `part` are made; `loss` is the latest one, 0 where there is none."""
        if part != self._part:
            self._part, self._first, self._began = part, done, time.monotonic()
        words = [f"{part}: {done}/{total}"] + ([f"loss {loss:.4f}"] if loss else [])
        pace = _pace("steps", done - self._first, total - done, self._began)
        self._show(words + pace, done, total)


class ImageProgress(_Progress):
    """Images made of so many, the step of the batch under way, and the time left at that rate."""

    def __init__(self, display: Display | None = None) -> None:
        super().__init__(display)
        self._total = self._made = 0
        self._began = 0.0

    def notes(self, lines: Iterable[str]) -> None:
        """Say each line."""
        for line in lines:
            self.note(f"note: {line}")

    def start(self, images: int) -> None:
        """The first of so many images is begun."""
        self._total, self._began = images, time.monotonic()

    def step(self, batch: int, done: int, total: int) -> None:
        """`done` of `total` steps of a batch of so many images are made."""
        self._update(self._made + batch * done / total, [f"step {done}/{total}"])

    def finished(self, batch: int) -> None:
        """So many images are on disk."""
        self._made += batch
        self._update(self._made, [])

    def _update(self, images: float, words: list[str]) -> None:
        pace = _pace("images", images, self._total - images, self._began)
        self._show([f"{self._made}/{self._total} images", *words, *pace], images, self._total)


def _pace(what: str, made: float, left: float, began: float) -> list[str]:
    elapsed = time.monotonic() - began
    if made <= 0 or elapsed <= 0:
        return []
    rate = made / elapsed
    return [f"{rate:.3g} {what}/s", f"{duration(left / rate)} left"]
