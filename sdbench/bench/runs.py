"""The benchmark as a whole: which parts there are, what they run on, and the record of it."""

from __future__ import annotations

import json
import resource
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sdbench import provenance
from sdbench.allocator import keep_freed_memory
from sdbench.bench import features, fidelity, frechet, load, sampling, store
from sdbench.bench.fidelity import Fidelity
from sdbench.bench.machine import Bench
from sdbench.bench.rows import Row, table
from sdbench.precision import full_precision

__all__ = ["PARTS", "Outcome", "bench_for", "run_parts"]

PARTS: dict[str, Callable[[Bench], Sequence[Row | Fidelity]]] = {
    "sampling": sampling.measure,
    "fidelity": fidelity.measure,
    "features": features.measure,
    "frechet": frechet.measure,
    "store": store.measure,
    "load": load.measure,
}
"""In the order of a run of all."""


@dataclass(frozen=True)
class Outcome:
    """What was measured, and on what."""

    environment: dict[str, Any]
    settings: dict[str, Any]
    results: dict[str, list[Row | Fidelity]]
    peak_resident_bytes: int

    def text(self) -> str:
        """Tables for people."""
        parts = [
            table([r for r in rows if isinstance(r, Row)]) or "\n".join(["fidelity", *map(str, rows)])
            for rows in self.results.values()
        ]
        peak = f"peak memory of the process {self.peak_resident_bytes / 2**30:.2f} GiB"
        return "\n\n".join([*parts, f"{self.environment['device']}, {peak}"])

    def write(self, path: Path) -> None:
        """All figures with their environment, as JSON."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(asdict(self), indent=2) + "\n", encoding="utf-8")


def bench_for(device: str, *, compiled: bool, steps: int, rounds: int, say: Callable[[str], None]) -> Bench:
    """What suits the device: the embedded family on a CPU, Stable Diffusion v1 in half precision on a GPU."""
    if device == "cpu":
        return Bench(device, 64, 1, 64, steps, rounds, "full", compiled, say)
    return Bench(device, 512, 1, 16, steps, rounds, "fp16", compiled, say)


def run_parts(names: Sequence[str], bench: Bench) -> Outcome:
    """Measure the parts one after the other."""
    full_precision()
    keep_freed_memory()
    results = {name: list(PARTS[name](bench)) for name in names}
    settings = {key: value for key, value in asdict(bench).items() if key != "say"}
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return Outcome(provenance.machine(bench.device), settings, results, peak)
