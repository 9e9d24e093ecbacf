"""How often the interval of the best guidance scale covers it.

`curves` draws curves of known shape over the scales many times, with noise that the scales share, and counts
the 95% intervals that cover the true best scale, and the comparisons of two curves at their own bests that
cover the true difference. `family` takes prompts at random from many images of the embedded family: all of
them, 16 times as many, give the truth. It makes the images first, ten minutes on a core, and resumes.

    python benchmarks/best_scale.py curves --repeats 1000
    python benchmarks/best_scale.py family --repeats 400 --folder /tmp/best-scale
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from family_features import FamilySweep, Features, real_features, run_simulation
from numpy.typing import NDArray

from metrics import PROTOCOLS, Estimate, Protocol
from metrics.best_scale import BestScale, best_scale
from metrics.compare import compare
from metrics.evaluate import Reference, evaluate_all, prepare
from metrics.uncertainty import standard_error_of_mean

Array = NDArray[np.float64]

SHAPES = {"sharp": (3.4, 1.0), "wide": (3.4, 0.3), "nearly flat": (3.4, 0.01), "at the end": (8.0, 0.3)}
"""Best scale of the first curve, and how fast it falls from there."""

MEASURED = ((1.5, 2, 3, 4, 5, 6, 7, 8), (2, 3, 5, 8))
IMAGES = ((32, "normal"), (512, "t(5)"))
APART = 1.3
"""The second curve is best at a scale this much smaller; both are equally good at their own."""

CHECKPOINTS = ("shapes-v1-2", "shapes-v1-4")
SCALES = (1.5, 2, 3, 4, 6, 8)
PROMPTS = 768
SWEEP = FamilySweep(CHECKPOINTS, SCALES, prompts=64, steps=5, prompt_seed=2000, seed=6000)


def curves(repeats: int) -> None:
    """Print a row for each set of scales, shape of the curve, number of images and tails."""
    print("| scales | curve | n | tails | covers | upper / lower end | own bests: covers |")
    print("|---|---|---|---|---|---|---|")
    for scales in MEASURED:
        for shape in SHAPES:
            for n, tails in IMAGES:
                print(_curves_row(scales, shape, n, tails, repeats), flush=True)


def _curves_row(scales: Sequence[float], shape: str, n: int, tails: str, repeats: int) -> str:
    best, depth = SHAPES[shape]
    covered, equal, ratios = 0, 0, []
    for repeat in range(repeats):
        random = np.random.default_rng([repeat, n])
        shared = _noise(random, tails, (3, n))
        one, other = (
            _found(random, scales, top, depth, (shared + _noise(random, tails, (3, n))) / np.sqrt(2), tails)
            for top in (best, best / APART)
        )
        covered += one.low <= best <= one.high
        ratios.append(one.high / one.low)
        test = compare(one.value, other.value)
        assert test.low is not None
        assert test.high is not None
        equal += test.low <= 0 <= test.high
    rates = f"{100 * covered / repeats:.1f}% | {np.median(ratios):.2f} | {100 * equal / repeats:.1f}%"
    return f"| {', '.join(f'{scale:g}' for scale in scales)} | {shape} | {n} | {tails} | {rates} |"


def _found(
    random: np.random.Generator, scales: Sequence[float], top: float, depth: float, noise: Array, tails: str
) -> BestScale:
    """Draw a curve that is best at ``top``; images differ in level, slope and bend, and a bit by cell."""
    gone, place = np.log(np.array(scales) / top), np.log(np.array(scales) / 3)[:, None]
    means = -depth * (np.exp(gone) - 1 - gone)
    smooth = noise[0] + 0.5 * noise[1] * place + 0.3 * noise[2] * place**2
    rows = means[:, None] + smooth + 0.05 * _noise(random, tails, (len(scales), noise.shape[1]))
    cells = [Estimate(float(row.mean()), standard_error_of_mean(row), row.size, row) for row in rows]
    found = best_scale(dict(zip(scales, cells, strict=True)), "higher")
    assert found is not None
    return found


def _noise(random: np.random.Generator, tails: str, shape: tuple[int, int]) -> Array:
    """Return noise of variance 1."""
    if tails == "normal":
        return random.standard_normal(shape)
    return random.standard_t(5, shape) * np.sqrt(0.6)


def family(repeats: int, folder: Path) -> None:
    """Print coverage for each metric and checkpoint of the embedded family, and for their comparison."""
    pool, metrics = pool_of(folder), [PROTOCOLS["kd-shapes-clip"], PROTOCOLS["clip-score-shapes"]]
    real = prepare(metrics[0], real_features(folder))
    truth = _family_found(pool, metrics, real)
    gaps = {metric.name: _gap(truth, metric.name)[0] for metric in metrics}
    counts, ratios = Counter[tuple[str, ...]](), defaultdict(list)
    for repeat in range(repeats):
        chosen = np.sort(np.random.default_rng(repeat).permutation(PROMPTS)[: PROMPTS // 16])
        found = _family_found({key: rows[chosen] for key, rows in pool.items()}, metrics, real)
        for key, one in found.items():
            counts[key] += one.low <= truth[key].scale <= one.high
            ratios[key].append(one.high / one.low)
        for name, gap in gaps.items():
            _, low, high = _gap(found, name)
            counts[(name,)] += low <= gap <= high
    print(f"| metric | checkpoint | best in {PROMPTS} images | covers | upper / lower end |")
    print("|---|---|---|---|---|")
    for key, one in truth.items():
        ratio = np.median(ratios[key])
        interval = f"{one.scale:.2f} ({one.low:.2f} to {one.high:.2f})"
        print(f"| {' | '.join(key)} | {interval} | {100 * counts[key] / repeats:.1f}% | {ratio:.2f} |")
    for name, gap in gaps.items():
        print(
            f"| {name} | {' - '.join(CHECKPOINTS)} | {gap:+.4f} | {100 * counts[(name,)] / repeats:.1f}% | |"
        )


def _family_found(
    features: Features, metrics: Sequence[Protocol], real: Reference
) -> dict[tuple[str, str], BestScale]:
    cells = {
        key: evaluate_all(
            metrics,
            generated={"shapes-clip": rows},
            real={"kd-shapes-clip": real},
            text={"shapes-clip": features["text"]},
        )
        for key, rows in features.items()
        if key != "text"
    }
    found = {}
    for metric in metrics:
        for name in CHECKPOINTS:
            curve = {scale: cells[f"{name}@{scale:g}"][metric.name] for scale in SCALES}
            best = best_scale(curve, metric.formula.better)
            assert best is not None
            found[metric.name, name] = best
    return found


def _gap(found: Mapping[tuple[str, str], BestScale], metric: str) -> tuple[float, float, float]:
    """Return the difference of the checkpoints, each at its own best, and its interval."""
    test = compare(*(found[metric, name].value for name in CHECKPOINTS))
    assert test.low is not None
    assert test.high is not None
    return test.difference, test.low, test.high


def pool_of(folder: Path) -> Features:
    """Return the features of all images [PROMPTS, d] by cell, made chunk by chunk."""
    chunks = [SWEEP.features(chunk, folder) for chunk in range(PROMPTS // SWEEP.prompts)]
    return {key: np.concatenate([chunk[key] for chunk in chunks]) for key in chunks[0]}


if __name__ == "__main__":
    run_simulation(__doc__, curves, family, repeats=400, folder="best-scale")
