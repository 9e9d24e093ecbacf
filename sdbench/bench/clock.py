"""Time works beside each other."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch

__all__ = ["Timing", "Work", "interleaved"]

Work = Callable[[], object]


@dataclass(frozen=True)
class Timing:
    """Seconds of each round; `peak_bytes` of the GPU's memory, None on a CPU."""

    seconds: tuple[float, ...]
    peak_bytes: int | None

    @property
    def median(self) -> float:
        """Of the rounds."""
        return statistics.median(self.seconds)


def interleaved(works: Mapping[str, Work], rounds: int, say: Callable[[str], None]) -> dict[str, Timing]:
    """Do each work once to warm up, then all of them in turn, `rounds` times."""
    peaks: dict[str, int | None] = {}
    for name, work in works.items():
        say(f"{name}: warming up")
        work()  # compiles, and chooses kernels
        peaks[name] = _peak(work)
    seconds: dict[str, list[float]] = {name: [] for name in works}
    for number in range(rounds):
        for name, work in works.items():
            say(f"{name}: round {number + 1} of {rounds}")
            _wait()
            start = time.perf_counter()
            work()
            _wait()
            seconds[name].append(time.perf_counter() - start)
    return {name: Timing(tuple(seconds[name]), peaks[name]) for name in works}


def _peak(work: Work) -> int | None:
    if not torch.cuda.is_available():
        return None
    torch.cuda.reset_peak_memory_stats()
    work()
    return torch.cuda.max_memory_allocated()


def _wait() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()
