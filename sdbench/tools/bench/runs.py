"""The whole benchmark: its parts, what they run on, and the results."""

from __future__ import annotations

import gc
import json
import resource
import traceback
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from sdbench.core import environment
from sdbench.core.allocator import keep_freed_memory
from sdbench.core.errors import one_line
from sdbench.core.precision import full_precision
from sdbench.tools.bench.deadline import Deadline, TimeOver
from sdbench.tools.bench.machine import Bench, LeftOut
from sdbench.tools.bench.rows import Row, table

if TYPE_CHECKING:
    from sdbench.tools.bench.fidelity import Fidelity

__all__ = ["PARTS", "Measurements", "bench_for", "run_parts"]

Part = Callable[[Bench], "Sequence[Row | Fidelity]"]


def _later(place: str) -> Part:
    """Return a function that imports `place` when it is called: other parts need not have its packages."""
    module, name = place.split(".")

    def part(bench: Bench) -> Sequence[Row | Fidelity]:
        function: Part = getattr(import_module(f"sdbench.tools.bench.{module}"), name)
        return function(bench)

    return part


PARTS: dict[str, Part] = {
    "sampling": _later("sampling.large"),
    "sweep": _later("sweep.measure"),
    "features": _later("features.measure"),
    "single": _later("sampling.single"),
    "norms": _later("norms.measure"),
    "frechet": _later("frechet.measure"),
    "store": _later("store.measure"),
    "fidelity": _later("fidelity.eager"),
    "load": _later("load.measure"),
    "single-compiled": _later("sampling.single_compiled"),
    "fidelity-compiled": _later("fidelity.compiled"),
}
"""In the order of a full run: the most useful parts first, those that compile for minutes last."""

FAILED = "failed: "
LONGEST = 500
"""Maximum length of an error line in characters; compilers write pages."""


@dataclass(frozen=True)
class Measurements:
    """What was measured, and on what.

    Attributes:
        environment: The machine and the package versions.
        settings: The settings of the benchmark.
        results: Rows by part.
        missing: One line per part without results that says why.
        peak_resident_bytes: Peak memory of the process.
    """

    environment: dict[str, Any]
    settings: dict[str, Any]
    results: dict[str, list[Row | Fidelity]] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)
    peak_resident_bytes: int = 0

    @property
    def failed(self) -> list[str]:
        """The parts that ended with an error."""
        return [name for name, why in self.missing.items() if why.startswith(FAILED)]

    def text(self, part: str) -> str:
        """Return a part's table, or why it has none."""
        if part in self.missing:
            return f"{part}\n  {self.missing[part]}"
        rows = self.results[part]
        return table([r for r in rows if isinstance(r, Row)]) or "\n".join([part, *map(str, rows)])

    def summary(self) -> str:
        """Return the device and the peak memory in one line."""
        peak = f"peak memory of the process {self.peak_resident_bytes / 2**30:.2f} GiB"
        return f"{self.environment['device']}, {peak}"

    def write(self, path: Path) -> None:
        """Write all results with their environment as JSON."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(asdict(self), indent=2) + "\n", encoding="utf-8")


def bench_for(device: str, *, compiled: bool, steps: int, rounds: int, say: Callable[[str], None]) -> Bench:
    """Return settings for the embedded family on a CPU, for Stable Diffusion v1 in fp16 on a GPU."""
    if device == "cpu":
        return Bench(device, 64, 1, 64, steps, rounds, "full", compiled, say)
    return Bench(device, 512, 1, 16, steps, rounds, "fp16", compiled, say)


def run_parts(
    names: Sequence[str], bench: Bench, done: Callable[[str, Measurements], None], deadline: Deadline
) -> Measurements:
    """Measure the parts one after the other.

    A part that fails, or that the deadline stops or leaves out, leaves a line instead of results.

    Args:
        names: Parts to measure, in this order.
        bench: Settings.
        done: Called after each part with its name and the measurements so far.
        deadline: When to stop.
    """
    full_precision()
    keep_freed_memory()
    settings = {key: value for key, value in asdict(bench).items() if key != "say"}
    measured = Measurements(environment.machine(bench.device), settings)
    for name in names:
        try:
            if deadline.over:
                raise LeftOut(deadline.reason)
            _free_memory(bench)
            with deadline.stopping():
                measured.results[name] = list(PARTS[name](bench))
        except LeftOut as reason:
            measured.missing[name] = f"left out: {reason}"
        except ModuleNotFoundError as error:
            measured.missing[name] = f"left out: {error.name} is not installed"
        except TimeOver:
            measured.missing[name] = f"stopped: {deadline.reason}"
        except Exception as error:
            bench.say(traceback.format_exc())
            measured.missing[name] = f"{FAILED}{type(error).__name__}: {one_line(error)[:LONGEST]}"
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        measured = replace(measured, peak_resident_bytes=peak)
        done(name, measured)
    return measured


def _free_memory(bench: Bench) -> None:
    """Release what the previous part held, even if it ended with an error."""
    if bench.compiled:
        torch.compiler.reset()
    gc.collect()
    torch.cuda.empty_cache()
