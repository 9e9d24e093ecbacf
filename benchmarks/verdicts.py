"""How often the verdict of a run is wrong, by simulation.

`cells` draws 32 cells of known values many times: how often the true best cell is called not the best, and
how many others are ruled out, by comparisons with the best and by Holm's correction over all pairs. `sweeps`
makes small sweeps of the embedded family, each with new prompts and a new seed, and counts the pairs of
checkpoints that are settled, and those that are settled the wrong way; then it joins sweeps to larger ones.
It takes an hour on two cores and resumes.

    python benchmarks/verdicts.py cells --repeats 200
    python benchmarks/verdicts.py sweeps --repeats 100 --folder /tmp/sweeps
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from family_features import FamilySweep, Features, real_features, run_simulation
from numpy.typing import NDArray

from metrics import PROTOCOLS, Estimate
from metrics.best import chances_of_best
from metrics.compare import pairwise
from metrics.evaluate import Reference, evaluate_all, prepare
from metrics.uncertainty import standard_error_of_mean
from sdbench.runs.tables import CurveRow
from sdbench.scoring.compare import CellValues
from sdbench.scoring.verdict import curve_pairs

_Pair = tuple[str, str, str]
"""A metric and two checkpoints."""

CHECKPOINTS = ("shapes-v1-1", "shapes-v1-2", "shapes-v1-3", "shapes-v1-4")
SCALES = (2, 5)
JOINED = (32, 64, 128, 256)
SWEEP = FamilySweep(CHECKPOINTS, SCALES, prompts=12, steps=5, prompt_seed=1000, seed=5000)
METRICS = [PROTOCOLS["kd-shapes-clip"], PROTOCOLS["clip-score-shapes"]]
CURVES, PLACES = 4, 8


def cells(repeats: int) -> None:
    """Print a row for each kind of truth, number of images and tails."""
    print("| truth | tails | n | best ruled out: MCB | Holm | others ruled out: MCB | Holm |")
    print("|---|---|---|---|---|---|---|")
    for truth in ("equal", "spread"):
        for tails in ("normal", "t(5)"):
            for n in (16, 64):
                print(_cells_row(truth, tails, n, repeats), flush=True)


def _cells_row(truth: str, tails: str, n: int, repeats: int) -> str:
    count = CURVES * PLACES
    means = np.linspace(0, 0.6, count) if truth == "spread" else np.zeros(count)
    means[-1] += 1e-9  # the true best, also among equals
    counts = Counter[str]()
    for repeat in range(repeats):
        random = np.random.default_rng([repeat, n])
        own = _noise(random, tails, count, n)
        own += np.repeat(_noise(random, tails, CURVES, n), PLACES, axis=0)
        values = means[:, None] + _noise(random, tails, 1, n) + own / 2
        estimates = {
            str(place): Estimate(float(row.mean()), standard_error_of_mean(row), n, row)
            for place, row in enumerate(values)
        }
        against = {name for name, p in chances_of_best(estimates, "higher").items() if p < 0.05}
        holm = set()
        for pair in pairwise(estimates):
            if (pair.adjusted_p or 0.0) < 0.05:
                holm.add(pair.b if pair.difference > 0 else pair.a)
        for name, ruled_out in (("with the best", against), ("Holm", holm)):
            counts[f"{name} wrong"] += str(count - 1) in ruled_out
            counts[name] += len(ruled_out - {str(count - 1)})
    wrong = [f"{100 * counts[f'{name} wrong'] / repeats:.1f}%" for name in ("with the best", "Holm")]
    found = [f"{counts[name] / repeats:.1f} of {count - 1}" for name in ("with the best", "Holm")]
    return f"| {truth} | {tails} | {n} | {' | '.join([*wrong, *found])} |"


def _noise(random: np.random.Generator, tails: str, rows: int, n: int) -> NDArray[np.float64]:
    """Return noise [rows, n] of variance 1."""
    if tails == "normal":
        return random.standard_normal((rows, n))
    return random.standard_t(5, (rows, n)) * np.sqrt(0.6)


def sweeps(repeats: int, folder: Path) -> None:
    """Print, for each metric and pair of checkpoints, how often it was settled, and how often wrongly."""
    made = [SWEEP.features(repeat, folder) for repeat in range(repeats)]
    real = prepare(METRICS[0], real_features(folder))
    whole = {key: np.concatenate([one[key] for one in made]) for key in made[0]}
    truth = _rows(whole, real)
    # Where all images together settle nothing, every settled statement counts as wrong.
    signs = {key: np.sign(row.difference) * ((row.p_holm or 0) < 0.05) for key, row in truth.items()}
    settled, wrong, runs_wrong = Counter[_Pair](), Counter[_Pair](), 0
    for one in made:
        found = _settled(one, real)
        mistakes = [key for key, sign in found.items() if sign != signs[key]]
        settled.update(found.keys())
        wrong.update(mistakes)
        runs_wrong += bool(mistakes)
    print("| metric | pair | difference in all images | settled | wrongly |")
    print("|---|---|---|---|---|")
    for key, row in truth.items():
        gap = f"{row.difference:+.4f} ± {row.standard_error:.4f}"
        print(f"| {key[0]} | {key[1]} - {key[2]} | {gap} | {settled[key]} | {wrong[key]} |")
    print(f"\n{runs_wrong} of {repeats} runs with a wrong statement\n")
    _joined(whole, real, signs)


def _joined(whole: Features, real: Reference, signs: Mapping[_Pair, float]) -> None:
    """Print how often each pair is settled rightly and wrongly in sweeps of more images a cell."""
    print("| n | sets |", " | ".join(f"{metric} {a} - {b}" for metric, a, b in signs), "|")
    print("|---" * (2 + len(signs)), "|", sep="")
    for n in JOINED:
        sets = len(whole["text"]) // n
        right, wrong = Counter[_Pair](), Counter[_Pair]()
        for place in range(sets):
            part = {key: rows[place * n : (place + 1) * n] for key, rows in whole.items()}
            for pair, sign in _settled(part, real).items():
                (right if sign == signs[pair] else wrong)[pair] += 1
        print(f"| {n} | {sets} |", " | ".join(f"{right[pair]}, {wrong[pair]}" for pair in signs), "|")


def _settled(features: Features, real: Reference) -> dict[_Pair, float]:
    """Return the settled pairs, each with the sign of its difference."""
    rows = _rows(features, real)
    return {key: np.sign(row.difference) for key, row in rows.items() if (row.p_holm or 0.0) < 0.05}


def _rows(features: Features, real: Reference) -> dict[_Pair, CurveRow]:
    """Return what scoring a run with these features writes to curves.csv, by metric and pair."""
    n = len(features["text"])
    ids = tuple(map(str, range(n)))
    values = [
        CellValues(f"{name}@{scale}", name, scale, ids, {ids: _measured(features, f"{name}@{scale}", real)})
        for name in CHECKPOINTS
        for scale in SCALES
    ]
    return {(row.protocol, row.a, row.b): row for row in curve_pairs(values, METRICS)}


def _measured(features: Features, cell: str, real: Reference) -> dict[str, Estimate]:
    return evaluate_all(
        METRICS,
        generated={"shapes-clip": features[cell]},
        real={"kd-shapes-clip": real},
        text={"shapes-clip": features["text"]},
    )


if __name__ == "__main__":
    run_simulation(__doc__, cells, sweeps, repeats=100, folder="sweeps")
