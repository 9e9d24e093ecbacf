"""Time and memory of a whole table from stored features: every cell with its error, and all pairs tested.

    python benchmarks/table_speed.py --cells 32 --n 10000 --dim 2048

reads float32 features cell by cell, as scoring does, computes the distance and its limit at infinite n with
their errors, and compares all pairs of cells with Holm-corrected p-values; with ``--device cuda`` on a GPU,
as scoring does if there is one. Peak memory is that of the process, including making the features.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from metrics import Moments
from metrics.compare import pairwise
from metrics.frechet import FrechetReference
from metrics.infinity import frechet_estimates


def features(seed: int, n: int, dim: int) -> NDArray[np.float32]:
    """Return features whose variances fall by three decades, like those of Inception."""
    scales = np.logspace(0, -1.5, dim, dtype=np.float32)
    return np.random.default_rng(seed).standard_gamma(2.0, size=(n, dim), dtype=np.float32) * scales


def table(real: Moments, paths: list[Path], device: str) -> int:
    """Compute the table, print the progress, and return the number of tests."""
    reference = FrechetReference.of(real) if device == "cpu" else FrechetReference.of(real).on(device)
    distances, limits = {}, {}
    for path in paths:
        start = time.perf_counter()
        distances[path.stem], limits[path.stem] = frechet_estimates(real=reference, generated=np.load(path))
        print(f"  cell {path.stem}: {time.perf_counter() - start:.1f} s", flush=True)
    return len(pairwise(distances)) + len(pairwise(limits))


def main() -> None:
    """Write the features to files, then time the table."""
    parser = argparse.ArgumentParser(description="Time and memory of a table with errors and tests.")
    parser.add_argument("--cells", type=int, default=32)
    parser.add_argument("--n", type=int, default=10_000)
    parser.add_argument("--dim", type=int, default=2048)
    parser.add_argument("--device", default="cpu")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / f"{cell}.npy" for cell in range(given.cells)]
        for cell, path in enumerate(paths):
            shared = features(1, given.n, given.dim)
            np.save(path, shared + 0.1 * features(cell + 2, given.n, given.dim))
        real = Moments.of(features(0, given.n, given.dim))
        start, used = time.perf_counter(), time.process_time()
        tests = table(real, paths, given.device)
        wall, processor = time.perf_counter() - start, time.process_time() - used
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    size = f"{given.cells} cells, n = {given.n}, d = {given.dim}, {tests} tests"
    print(f"{size}: {wall:.1f} s (processor {processor:.1f} s), peak {peak:.2f} GiB")


if __name__ == "__main__":
    main()
