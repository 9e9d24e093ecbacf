"""How far a run or a training is: counted here, shown by a display."""

from __future__ import annotations

import time
from collections.abc import Iterable
from types import TracebackType
from typing import Self

from sdbench.display import Display
from sdbench.plan import Cell, Plan, Unit

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
    """Images done, the cell under way, images a second of this invocation, and the time left at that rate."""

    def __init__(self, display: Display | None = None) -> None:
        super().__init__(display)
        self._cells: dict[Cell, int] = {}
        self._under_way: dict[Unit, float] = {}
        self._total = self._found = self._complete = 0
        self._began = 0.0

    def start(self, plan: Plan, found: int) -> None:
        """The work begins: `found` of the plan's images are there already."""
        self._cells = {cell: place for place, cell in enumerate(plan.cells, start=1)}
        self._total, self._found, self._complete = plan.images, found, found
        self._began = time.monotonic()

    def tick(self, unit: Unit, images: float) -> None:
        """`images` of the unit's images are made, in fractions."""
        self._under_way[unit] = images
        self._update(unit)

    def finished(self, unit: Unit) -> None:
        """The unit's shard is on disk."""
        self._under_way.pop(unit, None)
        self._complete += len(unit.chunk.prompts)
        self._update(unit)

    def _update(self, unit: Unit) -> None:
        images = self._complete + sum(self._under_way.values())
        cell = unit.cell
        name = f"{cell.checkpoint.name} {cell.sampler.name}{cell.sampler.steps} scale {cell.guidance_scale:g}"
        place = f"cell {self._cells[cell]}/{len(self._cells)} ({name})"
        pace = _pace("images", images - self._found, self._total - images, self._began)
        self._show([f"{images:.0f}/{self._total} images", place, *pace], images, self._total)


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
    return [f"{rate:.3g} {what}/s", f"{_duration(left / rate)} left"]


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
