"""Time workloads side by side."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch

from sdbench.core.errors import one_line

__all__ = ["Timing", "Work", "interleaved"]

Work = Callable[[], object]
"""A workload to time."""


@dataclass(frozen=True)
class Timing:
    """The times of one workload.

    Attributes:
        seconds: One value per round.
        peak_bytes: GPU memory that the first call used on top of what was held before; None on a CPU.
        output: What the first call returned.
    """

    seconds: tuple[float, ...]
    peak_bytes: int | None = None
    output: Any = None

    @property
    def median(self) -> float:
        """Median seconds of the rounds."""
        return statistics.median(self.seconds)


def interleaved(
    works: Mapping[str, Work],
    rounds: int,
    say: Callable[[str], None],
    *,
    slow: float = math.inf,
    others: Collection[str] = (),
) -> dict[str, Timing]:
    """Run each workload once to warm up, then all of them in turn, `rounds` times.

    Args:
        works: Workloads by name.
        rounds: Timed rounds after the warm-up.
        say: Receives progress messages.
        slow: A workload that needs more seconds than this to warm up is not repeated; its warm-up counts.
        others: Names of other tools' workloads. One that fails in the warm-up is reported and gets no timing.

    Returns:
        A timing for every workload that succeeded.
    """
    firsts: dict[str, Timing] = {}
    for name, work in works.items():
        say(f"{name}: warming up")
        try:
            firsts[name] = _first(work)  # compiles and chooses kernels
        except Exception as error:
            if name not in others:
                raise
            say(f"{name}: left out: {type(error).__name__}: {one_line(error)}")
    again = [name for name, first in firsts.items() if first.median <= slow]
    seconds: dict[str, list[float]] = {name: [] for name in again}
    for number in range(rounds):
        for name in again:
            say(f"{name}: round {number + 1} of {rounds}")
            seconds[name].append(_timed(works[name])[0])
    return {
        name: replace(first, seconds=tuple(seconds[name])) if name in seconds else first
        for name, first in firsts.items()
    }


def _first(work: Work) -> Timing:
    if not torch.cuda.is_available():
        taken, output = _timed(work)
        return Timing((taken,), None, output)
    held = torch.cuda.memory_allocated()
    torch.cuda.reset_peak_memory_stats()
    taken, output = _timed(work)
    return Timing((taken,), torch.cuda.max_memory_allocated() - held, output)


def _timed(work: Work) -> tuple[float, object]:
    _wait()
    start = time.perf_counter()
    output = work()
    _wait()
    return time.perf_counter() - start, output


def _wait() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()
