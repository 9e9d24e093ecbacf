"""Time and memory of the Frechet distance, beside the two ways that are in use, in one run.

    python benchmarks/frechet_speed.py --dim 2048 --n 10000 --cells 32

prints the time of one distance between moments of ``dim`` dimensions: here (with the factor of the real
side, which a sweep takes once, apart), by the eigenvalues of the product of the covariances as in
torchmetrics, and by scipy's root of that product as in pytorch-fid. Before it, a whole table from stored
float32 features: distances with errors of all cells, and the Holm-corrected tests of all their pairs. Peak
memory is that of the process.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import linalg

from metrics import Moments
from metrics.compare import pairwise
from metrics.frechet import FrechetReference, frechet_distance, frechet_estimate

T = TypeVar("T")


def features(seed: int, n: int, dim: int) -> NDArray[np.float32]:
    """Return features whose variances fall off as those of Inception's do, by three decades."""
    scales = np.logspace(0, -1.5, dim, dtype=np.float32)
    return np.random.default_rng(seed).standard_gamma(2.0, size=(n, dim), dtype=np.float32) * scales


def by_matrix_root(real: Moments, generated: Moments) -> float:
    """pytorch-fid's way: scipy's root of the product, which is not symmetric."""
    root = np.asarray(linalg.sqrtm(real.covariance @ generated.covariance))
    gap = real.mean - generated.mean
    traces = np.trace(real.covariance) + np.trace(generated.covariance)
    return float(gap @ gap + traces - 2 * np.trace(root.real))


def by_eigenvalues(real: Moments, generated: Moments) -> float:
    """torchmetrics' way: the eigenvalues of the product, which is not symmetric."""
    product = torch.from_numpy(real.covariance) @ torch.from_numpy(generated.covariance)
    roots = torch.linalg.eigvals(product).sqrt().real.sum().item()
    gap = real.mean - generated.mean
    return float(gap @ gap + np.trace(real.covariance) + np.trace(generated.covariance) - 2 * roots)


def distances(dim: int, n: int) -> None:
    """Print the seconds of one distance by each way, and their ratio to ours."""
    real, generated = (Moments.of(features(seed, n, dim)) for seed in (0, 1))
    factorising, reference = timed(lambda: FrechetReference.of(real))
    ours, value = timed(lambda: frechet_distance(real=reference, generated=generated))
    print(f"one distance, d = {dim}: {ours:.2f} s, and {factorising:.2f} s once for the real side")
    for name, way in (("eigvals", by_eigenvalues), ("sqrtm", by_matrix_root)):
        seconds, other = timed(lambda way=way: way(real, generated))  # type: ignore[misc]
        once = seconds / (ours + factorising)
        print(f"  {name}: {seconds:.2f} s, {seconds / ours:.1f} times ours, {once:.1f} with the real side")
        print(f"  and its value differs by {abs(other / value - 1):.0e}", flush=True)


def table(dim: int, n: int, cells: int) -> None:
    """Print the seconds of a table of cells with errors and all pairwise tests, from files."""
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / f"{cell}.npy" for cell in range(cells)]
        for cell, path in enumerate(paths):
            np.save(path, features(1, n, dim) + 0.1 * features(cell + 2, n, dim))
        real = Moments.of(features(0, n, dim))

        def work() -> int:
            reference = FrechetReference.of(real)
            estimates = {
                path.stem: frechet_estimate(real=reference, generated=np.load(path)) for path in paths
            }
            return len(pairwise(estimates))

        seconds, tests = timed(work)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"table of {cells} cells, n = {n}, d = {dim}, {tests} tests: {seconds:.1f} s, peak {peak:.2f} GiB")


def timed(work: Callable[[], T]) -> tuple[float, T]:
    """Return the seconds that the work took, and its result."""
    start = time.perf_counter()
    result = work()
    return time.perf_counter() - start, result


def main() -> None:
    """Print the table first: the other ways' memory is not ours."""
    parser = argparse.ArgumentParser(description="Time and memory of the Frechet distance.")
    parser.add_argument("--dim", type=int, default=2048)
    parser.add_argument("--n", type=int, default=10_000)
    parser.add_argument("--cells", type=int, default=32)
    given = parser.parse_args()
    table(given.dim, given.n, given.cells)
    distances(given.dim, given.n)


if __name__ == "__main__":
    main()
