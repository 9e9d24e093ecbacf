"""Time of one Fréchet distance, compared with the two methods of other libraries in one run.

    python benchmarks/frechet_speed.py --dim 2048 --repeats 3

prints the seconds of one distance between moments of ``dim`` dimensions: ours, with the factor of the real
covariance, which a sweep computes once, listed separately; by the eigenvalues of the product of the
covariances, as in torchmetrics; and by scipy's root of that product, as in pytorch-fid. The methods take
turns, and the fastest repeat of each counts, since other work on the machine only slows them.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import TypeVar

import numpy as np
import torch
from scipy import linalg
from table_speed import features

from metrics import Moments
from metrics.frechet import FrechetReference, frechet_distance

T = TypeVar("T")


def by_matrix_root(real: Moments, generated: Moments) -> float:
    """pytorch-fid's method: scipy's root of the product, which is not symmetric."""
    root = np.asarray(linalg.sqrtm(real.covariance @ generated.covariance))
    gap = real.mean - generated.mean
    traces = np.trace(real.covariance) + np.trace(generated.covariance)
    return float(gap @ gap + traces - 2 * np.trace(root.real))


def by_eigenvalues(real: Moments, generated: Moments) -> float:
    """torchmetrics' method: the eigenvalues of the product, which is not symmetric."""
    product = torch.from_numpy(real.covariance) @ torch.from_numpy(generated.covariance)
    roots = torch.linalg.eigvals(product).sqrt().real.sum().item()
    gap = real.mean - generated.mean
    return float(gap @ gap + np.trace(real.covariance) + np.trace(generated.covariance) - 2 * roots)


def distances(dim: int, n: int, repeats: int, *, root: bool) -> None:
    """Print the processor seconds of one distance by each method, and their ratio to ours."""
    real, generated = (Moments.of(features(seed, n, dim)) for seed in (0, 1))
    reference = FrechetReference.of(real)
    ways: dict[str, Callable[[], object]] = {
        "factor": lambda: FrechetReference.of(real),
        "ours": lambda: frechet_distance(real=reference, generated=generated),
        "eigvals": lambda: by_eigenvalues(real, generated),
    }
    if root:
        ways["sqrtm"] = lambda: by_matrix_root(real, generated)
    turns = [{name: timed(way) for name, way in ways.items()} for _ in range(repeats)]
    seconds = {name: min(turn[name][0] for turn in turns) for name in ways}
    ours, factor = seconds.pop("ours"), seconds.pop("factor")
    value = frechet_distance(real=reference, generated=generated)
    print(f"one distance, d = {dim}: {ours:.2f} s, and {factor:.2f} s once for the real set")
    for name, taken in seconds.items():
        other = float(str(turns[0][name][1]))
        once = taken / (ours + factor)
        print(f"  {name}: {taken:.2f} s, {taken / ours:.1f} times ours, {once:.1f} with the real set")
        print(f"  relative difference of its value: {abs(other / value - 1):.0e}", flush=True)


def timed(work: Callable[[], T]) -> tuple[float, T]:
    """Return the processor seconds of the work, and its result."""
    start = time.process_time()
    result = work()
    return time.process_time() - start, result


def main() -> None:
    """Print the ratios."""
    parser = argparse.ArgumentParser(description="Time of the Fréchet distance, compared with other methods.")
    parser.add_argument("--dim", type=int, default=2048)
    parser.add_argument("--n", type=int, default=10_000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--no-root", action="store_true", help="without scipy's sqrtm, the slowest method")
    given = parser.parse_args()
    distances(given.dim, given.n, given.repeats, root=not given.no_root)


if __name__ == "__main__":
    main()
