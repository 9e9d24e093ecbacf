"""How often intervals that are looked at repeatedly miss the truth, and how many images an early stop saves.

Compares always-valid intervals with the usual ones for a single n, in three tables: means of scores; the
difference of two Fréchet distances, with the drift of its bias; and whole rankings, by the rule of the
harness. Each row is printed when it is done, so the program can be stopped at any time.

    python benchmarks/sequential.py --repeats 200
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from statistics import NormalDist
from unittest.mock import patch

import numpy as np
from numpy.typing import NDArray

from metrics import Estimate, Moments
from metrics.compare import Comparison, compare
from metrics.frechet import FrechetReference, frechet_estimate
from metrics.sequential import FEWEST_TO_LOOK, always_valid_factor
from sdbench.sweep.budget import rules
from sdbench.sweep.budget.course import follow, next_look

Array = NDArray[np.float64]
Noise = Callable[[np.random.Generator, tuple[int, ...]], Array]

MISS = 0.05
USUAL = NormalDist().inv_cdf(1 - MISS / 2)
DIM, UNIT, PROMPTS = 8, 32, 1024
ENDS = range(UNIT, PROMPTS + 1, UNIT)

TAILS: dict[str, Noise] = {
    "normal": lambda rng, shape: rng.normal(size=shape),
    "light": lambda rng, shape: (rng.gamma(2.0, size=shape) - 2) / np.sqrt(2),
    "heavy": lambda rng, shape: rng.standard_t(5, size=shape) / np.sqrt(5 / 3),
}
SCORES: dict[str, Noise] = {
    **TAILS,
    "t(3)": lambda rng, shape: rng.standard_t(3, size=shape),
    "log-normal": lambda rng, shape: rng.lognormal(size=shape) - np.exp(0.5),
    "one in 50": lambda rng, shape: (rng.random(shape) < 0.02) - 0.02,
}


def means(name: str, repeats: int, block: int, prompts: int) -> str:
    """Return a row: how often the interval of a mean misses 0 at some look."""
    rng = np.random.default_rng(len(name))
    looks = np.arange(-(-FEWEST_TO_LOOK // block) * block, prompts + 1, block)
    scores = SCORES[name](rng, (repeats, prompts))
    sums = scores.cumsum(axis=1)[:, looks - 1]
    squares = (scores**2).cumsum(axis=1)[:, looks - 1]
    mean = sums / looks
    error = np.sqrt(np.maximum(squares / looks - mean**2, 0) / (looks - 1))
    third = (scores**3).cumsum(axis=1)[:, looks - 1] / looks - 3 * mean * squares / looks + 2 * mean**3
    skewed = 25 * third**2 >= looks * np.maximum(squares / looks - mean**2, 0) ** 3
    factors = np.array([always_valid_factor(int(n), MISS) for n in looks])
    last = 100 * np.mean(np.abs(mean[:, -1]) > USUAL * error[:, -1])
    usual = 100 * np.mean((np.abs(mean) > USUAL * error).any(axis=1))
    outside = np.abs(mean) > factors * error
    valid, tested = (100 * np.mean(some.any(axis=1)) for some in (outside, outside & ~skewed))
    return f"| {name} | {block} | {len(looks)} | {last:.1f}% | {usual:.1f}% | {valid:.1f}% | {tested:.1f}% |"


@dataclass(frozen=True)
class World:
    """Cells of Gaussian or other features that share half of their noise; qualities are shifts of the mean.

    Cells of equal quality are exchangeable, so any claim about their order is false. `stretch` gives the
    second of two cells another covariance, and so another bias.
    """

    tails: str
    qualities: tuple[float, ...]
    stretch: float = 0.0

    def draw(self, seed: int) -> list[Array]:
        """Return the features [PROMPTS, DIM] of each cell."""
        rng = np.random.default_rng([seed, len(self.tails)])
        shared = TAILS[self.tails](rng, (PROMPTS, DIM))
        own = (TAILS[self.tails](rng, (PROMPTS, DIM)) for _ in self.qualities)
        widths = 1 + self.stretch * np.arange(len(self.qualities))
        return [
            (shared + part) / np.sqrt(2) * width + quality
            for part, quality, width in zip(own, self.qualities, widths, strict=True)
        ]


REFERENCE = FrechetReference.of(Moments(0, np.zeros(DIM), np.eye(DIM)))


def distance(features: Array, n: int) -> Estimate:
    """Return the Frechet distance of the first n images."""
    return frechet_estimate(real=REFERENCE, generated=features[:n])


def looks() -> list[int]:
    """Return the n at which the harness looks, in a run without an early stop."""
    found = [FEWEST_TO_LOOK]
    while found[-1] < PROMPTS:
        found.append(next_look(found[-1], ENDS, errors_known=True))
    return found


def differences(tails: str, repeats: int) -> str:
    """Return a row: how often the interval of a paired difference misses the mean of the repeats."""
    world = World(tails, (0.2, 0.2), stretch=0.15)
    pairs: list[list[Comparison]] = []
    for seed in range(repeats):
        a, b = world.draw(seed)
        pairs.append([compare(distance(a, n), distance(b, n)) for n in looks()])
        progress(f"differences, {tails}: {seed + 1}/{repeats}")
    difference = np.array([[pair.difference for pair in row] for row in pairs])
    error = np.array([[pair.standard_error for pair in row] for row in pairs], dtype=np.float64)
    expected = difference.mean(axis=0)
    radius = np.array([always_valid_factor(n, MISS) for n in looks()]) * error
    far = np.abs(difference - expected)
    usual, valid = (100 * np.mean((far > wide).any(axis=1)) for wide in (USUAL * error, radius))
    drift = np.abs(expected - expected[-1])
    share = 100 * (drift / radius.mean(axis=0)).max()
    ends = f"{expected[0]:.4f} at {looks()[0]}, {expected[-1]:.4f} at {PROMPTS}"
    return f"| {tails} | {ends} | {share:.0f}% | {usual:.1f}% | {valid:.1f}% |"


def naive(pair: Comparison, n: int, miss: float) -> int:
    """Settle a pair by its usual 95% interval."""
    return _sign(pair, USUAL)


def corrected(pair: Comparison, n: int, miss: float) -> int:
    """Settle a pair by a usual interval that is corrected for the number of pairs but not of looks."""
    return _sign(pair, NormalDist().inv_cdf(1 - miss / 2))


def _sign(pair: Comparison, factor: float) -> int:
    assert pair.standard_error is not None
    return int(np.sign(pair.difference)) * (abs(pair.difference) > factor * pair.standard_error)


RULES = {"usual": naive, "corrected": corrected, "always valid": rules.settled_order}
"""In the order of the columns; the harness uses the last."""

WORLDS = {
    "a pair, tied": (1, (0.4,) * 2),
    "8 cells, tied, near": (2, (0.0,) * 8),
    "8 cells, tied, far": (2, (0.4,) * 8),
    "two of four tied": (2, (0.2, 0.5, 0.4, 0.6, 0.4, 0.6, 0.7, 0.9)),
    "close": (2, (0.2, 0.5, 0.25, 0.6, 0.35, 0.7, 0.5, 0.9)),
    "apart": (2, (0.2, 0.6, 0.4, 0.7, 0.55, 0.8, 0.7, 0.9)),
}
"""Name -> number of cells of each contender, and the qualities of all cells."""


def ranking(world: World, size: int, repeats: int, name: str) -> str:
    """Return a row: how often each rule is wrong, how often it settles, and how many images it saves.

    Each contender has `size` cells.
    """
    count = len(world.qualities)
    contenders = {"ABCD"[cell // size]: range(cell, cell + size) for cell in range(0, count, size)}
    wrong, settled, images = (dict.fromkeys(RULES, 0) for _ in range(3))
    for seed in range(repeats):
        cells = world.draw(seed)
        figure = cache(lambda cell, n, cells=cells: distance(cells[cell], n))
        for kind, rule in RULES.items():
            with patch.object(rules, "settled_order", rule):
                outcome = rules.Ranking[int](contenders, "lower", 1 - MISS)
                course = follow(
                    outcome, range(count), list(ENDS), lambda *block: None, figure, lambda text: None
                )
            wrong[kind] += any(not _true(world, contenders, pair) for pair in outcome.settled)
            settled[kind] += outcome.order is not None
            images[kind] += sum(course.prompts.values())
        progress(f"ranking, {name}, {world.tails}: {seed + 1}/{repeats}")
    cells = [
        f"{100 * wrong[kind] / repeats:.1f}% / {100 * settled[kind] / repeats:.0f}% / "
        f"{100 - 100 * images[kind] / repeats / count / PROMPTS:.0f}%"
        for kind in RULES
    ]
    return f"| {name} | {world.tails} | {' | '.join(cells)} |"


def _true(world: World, contenders: Mapping[str, Sequence[int]], pair: tuple[str, str]) -> bool:
    ahead, behind = (min(world.qualities[cell] for cell in contenders[name]) for name in pair)
    return ahead < behind


def progress(text: str) -> None:
    """Show the progress."""
    sys.stderr.write(f"\r{text}   ")
    sys.stderr.flush()


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--repeats", type=int, default=200, help="of the tables of distances; means use 20 times as many"
    )
    parser.add_argument("--only", choices=["means", "differences", "ranking"], help="print one table only")
    given = parser.parse_args()
    if given.only in (None, "means"):
        print("| scores | block | looks | usual, last look | usual | always valid | and not too skewed |")
        print("|---|---|---|---|---|---|---|")
        for name in SCORES:
            for block in (8, 64):
                print(means(name, 20 * given.repeats, block, 4096), flush=True)
    if given.only in (None, "differences"):
        print("\n| tails | expected difference | drift / half-width | usual | always valid |")
        print("|---|---|---|---|---|")
        for tails in TAILS:
            print(differences(tails, given.repeats), flush=True)
    if given.only in (None, "ranking"):
        print(f"\n| cells | tails | {' | '.join(RULES)} |\n|---|---|---|---|---|")
        for name, (size, qualities) in WORLDS.items():
            for tails in TAILS:
                print(ranking(World(tails, qualities), size, given.repeats, name), flush=True)


if __name__ == "__main__":
    main()
