"""The benchmark as a whole: which parts there are, what they run on, and the record of it."""

from __future__ import annotations

import gc
import json
import resource
import traceback
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from sdbench import provenance
from sdbench.allocator import keep_freed_memory
from sdbench.bench import features, fidelity, frechet, load, norms, sampling, store, sweep
from sdbench.bench.deadline import Deadline, TimeOver
from sdbench.bench.fidelity import Fidelity
from sdbench.bench.machine import Bench, LeftOut
from sdbench.bench.rows import Row, table
from sdbench.errors import one_line
from sdbench.precision import full_precision

__all__ = ["PARTS", "Outcome", "bench_for", "run_parts"]

PARTS: dict[str, Callable[[Bench], Sequence[Row | Fidelity]]] = {
    "sampling": sampling.large,
    "sweep": sweep.measure,
    "features": features.measure,
    "single": sampling.single,
    "norms": norms.measure,
    "frechet": frechet.measure,
    "store": store.measure,
    "fidelity": fidelity.eager,
    "load": load.measure,
    "single-compiled": sampling.single_compiled,
    "fidelity-compiled": fidelity.compiled,
}
"""In the order of a run of all: what matters most first, what takes minutes to compile for less last."""

FAILED = "failed: "
LONGEST = 500
"""Characters of an error's line: compilers write pages."""


@dataclass(frozen=True)
class Outcome:
    """What was measured, and on what.

    results: of each part; missing: the parts without results, and why, in a line each.
    """

    environment: dict[str, Any]
    settings: dict[str, Any]
    results: dict[str, list[Row | Fidelity]] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)
    peak_resident_bytes: int = 0

    @property
    def failed(self) -> list[str]:
        """The parts that an error ended."""
        return [name for name, why in self.missing.items() if why.startswith(FAILED)]

    def text(self, part: str) -> str:
        """A part's table for people, or why there is none."""
        if part in self.missing:
            return f"{part}\n  {self.missing[part]}"
        rows = self.results[part]
        return table([r for r in rows if isinstance(r, Row)]) or "\n".join([part, *map(str, rows)])

    def summary(self) -> str:
        """The machine in a line."""
        peak = f"peak memory of the process {self.peak_resident_bytes / 2**30:.2f} GiB"
        return f"{self.environment['device']}, {peak}"

    def write(self, path: Path) -> None:
        """All figures with their environment, as JSON."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(asdict(self), indent=2) + "\n", encoding="utf-8")


def bench_for(device: str, *, compiled: bool, steps: int, rounds: int, say: Callable[[str], None]) -> Bench:
    """What suits the device: the embedded family on a CPU, Stable Diffusion v1 in half precision on a GPU."""
    if device == "cpu":
        return Bench(device, 64, 1, 64, steps, rounds, "full", compiled, say)
    return Bench(device, 512, 1, 16, steps, rounds, "fp16", compiled, say)


def run_parts(
    names: Sequence[str], bench: Bench, done: Callable[[str, Outcome], None], deadline: Deadline
) -> Outcome:
    """Measure the parts one after the other; `done` is told each one with what there is so far.

    A part that fails leaves a line instead of results, and the next one is measured. So does one that the
    deadline finds under way or not begun.
    """
    full_precision()
    keep_freed_memory()
    settings = {key: value for key, value in asdict(bench).items() if key != "say"}
    outcome = Outcome(provenance.machine(bench.device), settings)
    for name in names:
        try:
            if deadline.over:
                raise LeftOut(deadline.reason)
            _let_go(bench)
            with deadline.stopping():
                outcome.results[name] = list(PARTS[name](bench))
        except LeftOut as reason:
            outcome.missing[name] = f"left out: {reason}"
        except TimeOver:
            outcome.missing[name] = f"stopped: {deadline.reason}"
        except Exception as error:
            bench.say(traceback.format_exc())
            outcome.missing[name] = f"{FAILED}{type(error).__name__}: {one_line(error)[:LONGEST]}"
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        outcome = replace(outcome, peak_resident_bytes=peak)
        done(name, outcome)
    return outcome


def _let_go(bench: Bench) -> None:
    """Of the memory of the part before, also where an error ended it."""
    if bench.compiled:
        torch.compiler.reset()
    gc.collect()
    torch.cuda.empty_cache()
