"""How often the guidance ledger is wrong: shifts off the curve of plain guidance where there are none, and
intervals of shifts that are planted.

`curves` draws a curve of known shape many times, with noise that the cells share, and a further cell that
lies on it or is planted beside it. `family` takes prompts at random from many images of the embedded family
(made by benchmarks/best_scale.py): plain guidance of shapes-v1-2 at scale 3 beside the curve of its other
scales, and shapes-v1-4, which has better weights, beside that curve.

    python benchmarks/guidance_ledger.py curves --repeats 500
    python benchmarks/guidance_ledger.py family --repeats 400 --folder /tmp/best-scale
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from best_scale import PROMPTS, SCALES, pool_of
from family_features import Features, real_features, run_simulation
from numpy.typing import NDArray

from metrics import PROTOCOLS, Estimate, PlanePoint, Protocol
from metrics.curve_shift import CurveShift, curve_shift
from metrics.evaluate import Reference, evaluate_all, prepare
from metrics.uncertainty import standard_error_of_mean

Array = NDArray[np.float64]

MEASURED = ((1.5, 2, 3, 4, 5, 6, 7, 8), (2, 3, 5, 8))
OWN = (0.05, 0.5)
"""Spread of what cells do not share, of 1 for what they share."""

AT = 3.5
PLANTED = (-0.4, 0.02)
SPREAD = np.array([[1.0], [0.1]])


def curves(repeats: int) -> None:
    """Print a row for each set of scales, number of images and share of noise.

    "Called": off the curve with p < 0.05. "Covered": by the 95% intervals of distance and score.
    """
    print("| scales | n | own noise | on the curve: called | planted: called | covered |")
    print("|---|---|---|---|---|---|")
    for scales in MEASURED:
        for n in (64, 512):
            for own in OWN:
                print(_curves_row(scales, n, own, repeats), flush=True)


def _curves_row(scales: Sequence[float], n: int, own: float, repeats: int) -> str:
    balanced = np.zeros((3, 2, 4))
    balanced[0] = (1, -1, 1, -1)  # has the spread of the noise and no mean
    truth = _shift(scales, balanced, 0.0, PLANTED)
    on, off, covered = 0, 0, np.zeros(2)
    for repeat in range(repeats):
        noise = np.random.default_rng([repeat, n]).standard_normal((3, 2, n))
        on += _called(_shift(scales, noise, own, (0.0, 0.0), seed=repeat))
        found = _shift(scales, noise, own, PLANTED, seed=repeat)
        off += _called(found)
        covered += _covers(found, truth)
    rates = " | ".join(f"{100 * rate / repeats:.1f}%" for rate in (on, off))
    within = ", ".join(f"{100 * rate / repeats:.1f}%" for rate in covered)
    return f"| {', '.join(f'{scale:g}' for scale in scales)} | {n} | {own:g} | {rates} | {within} |"


def _shift(
    scales: Sequence[float],
    noise: Array,
    own: float,
    planted: tuple[float, float],
    seed: int = 0,
) -> CurveShift:
    random = np.random.default_rng([seed, 1])
    points = {}
    for scale in (*scales, AT):
        place = np.log(scale / 3)
        means = np.array([2 + 2 * np.log(scale / 2.5) ** 2, 0.7 - 0.3 * np.exp(-scale / 2)])
        means += np.array(planted) if scale == AT else 0
        smooth = noise[0] + 0.5 * noise[1] * place + 0.3 * noise[2] * place**2
        rows = SPREAD * (smooth + own * random.standard_normal(smooth.shape))
        points[scale] = _point(means[:, None] + rows)
    own_point = points.pop(AT)
    return curve_shift(points, own_point, points[3])


def _point(rows: Array) -> PlanePoint:
    """Return the point of contributions [2, n]."""
    distance, score = (
        Estimate(float(row.mean()), standard_error_of_mean(row), row.size, row) for row in rows
    )
    return PlanePoint(distance, score)


def _called(found: CurveShift) -> bool:
    return found.p_value is not None and found.p_value < 0.05


def _covers(found: CurveShift, truth: CurveShift) -> NDArray[np.bool_]:
    reach = 1.96 * np.sqrt(np.diag(found.off.covariance))
    return np.asarray(np.abs(found.off.vector - truth.off.vector) <= reach)


def family(repeats: int, folder: Path) -> None:
    """Print how often each cell of the embedded family is called off the curve, and its shift covered."""
    pool, protocols = pool_of(folder), [PROTOCOLS["kd-shapes-clip"], PROTOCOLS["clip-score-shapes"]]
    real = prepare(protocols[0], real_features(folder))
    print("| cell | shift in 768 images | p there | called | covered |")
    print("|---|---|---|---|---|")
    for name in ("shapes-v1-2@3", "shapes-v1-4@3", "shapes-v1-4@6"):
        whole = _family_shift(pool, protocols, real, name)
        called, covered = 0, np.zeros(2)
        for repeat in range(repeats):
            chosen = np.sort(np.random.default_rng(repeat).permutation(PROMPTS)[: PROMPTS // 8])
            found = _family_shift({key: rows[chosen] for key, rows in pool.items()}, protocols, real, name)
            called += _called(found)
            covered += _covers(found, whole)
        shift = ", ".join(f"{value:+.4f}" for value in whole.off.vector)
        p_value = "end" if whole.p_value is None else f"{whole.p_value:.2g}"
        within = ", ".join(f"{100 * rate / repeats:.1f}%" for rate in covered)
        print(f"| {name} | {shift} | {p_value} | {100 * called / repeats:.1f}% | {within} |", flush=True)


def _family_shift(pool: Features, protocols: Sequence[Protocol], real: Reference, name: str) -> CurveShift:
    def point(cell: str) -> PlanePoint:
        found = evaluate_all(
            protocols,
            generated={"shapes-clip": pool[cell]},
            real={"kd-shapes-clip": real},
            text={"shapes-clip": pool["text"]},
        )
        return PlanePoint(found["kd-shapes-clip"], found["clip-score-shapes"])

    curve = {scale: point(f"shapes-v1-2@{scale:g}") for scale in SCALES if name != f"shapes-v1-2@{scale:g}"}
    return curve_shift(curve, point(name), curve[4])


if __name__ == "__main__":
    run_simulation(__doc__, curves, family, repeats=400, folder="best-scale")
