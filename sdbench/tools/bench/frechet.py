"""The Fréchet distance of given moments in 2048 dimensions, against the two other algorithms in use."""

from __future__ import annotations

import numpy as np
import torch
from scipy import linalg

from metrics import Moments
from metrics.frechet import FrechetReference, frechet_distance
from sdbench.tools.bench.clock import interleaved
from sdbench.tools.bench.machine import Bench
from sdbench.tools.bench.rows import Row, rows_of

__all__ = ["measure"]

DIM = 2048
AGAINST = "eigvals, as torchmetrics"
SLOW = 4.0
"""An algorithm that takes more seconds than this is timed once: a first call adds little to them."""


def measure(bench: Bench, dim: int = DIM) -> list[Row]:
    """Time the distance. Ours factorises the real side once per sweep, so that is not timed."""
    real, generated = (_moments(seed, dim) for seed in (0, 1))
    reference = FrechetReference.of(real)
    works = {
        "sdbench": lambda: frechet_distance(real=reference, generated=generated),
        AGAINST: lambda: _by_eigenvalues(real, generated),
        "sqrtm, as pytorch-fid": lambda: _by_root(real, generated),
    }
    if bench.device != "cpu":
        on_device = reference.on(bench.device)
        works[f"sdbench, {bench.device}"] = lambda: frechet_distance(real=on_device, generated=generated)
    timings = interleaved(works, 1, bench.say, slow=SLOW)
    theirs = timings[AGAINST].output
    notes = {name: f"relative difference {abs(t.output / theirs - 1):.0e}" for name, t in timings.items()}
    what = f"frechet distance, {dim} dimensions"
    return rows_of(what, "distance", 1, timings, against=AGAINST, notes=notes)


def _moments(seed: int, dim: int) -> Moments:
    """Features whose variances span three decades, like those of Inception."""
    scales = np.logspace(0, -1.5, dim, dtype=np.float32)
    random = np.random.default_rng(seed)
    return Moments.of(random.standard_gamma(2.0, size=(2 * dim, dim), dtype=np.float32) * scales)


def _by_eigenvalues(real: Moments, generated: Moments) -> float:
    product = torch.from_numpy(real.covariance) @ torch.from_numpy(generated.covariance)
    return _distance(real, generated, torch.linalg.eigvals(product).sqrt().real.sum().item())


def _by_root(real: Moments, generated: Moments) -> float:
    root = np.asarray(linalg.sqrtm(real.covariance @ generated.covariance))
    return _distance(real, generated, float(np.trace(root.real)))


def _distance(real: Moments, generated: Moments, root_trace: float) -> float:
    gap = real.mean - generated.mean
    return float(gap @ gap + np.trace(real.covariance) + np.trace(generated.covariance) - 2 * root_trace)
