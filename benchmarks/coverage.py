"""Coverage of the Frechet distance's 95% intervals, by simulation.

Draws the generated images of two cells many times from known distributions and counts how often the intervals
of the distance and of the paired difference cover the expected value at that n. Repeats in which the rules of
metrics.frechet give no error count too; the column "given" says how often they give one. The last columns
show the plain bootstrap of the distance. The real set is fixed, as in a sweep.

    python benchmarks/coverage.py --dims 64 256 --n 512 1024 4096 --repeats 400 --tails light heavy
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from metrics import Estimate, Moments
from metrics.compare import compare
from metrics.frechet import FrechetReference, frechet_distance, with_error

Array = NDArray[np.float64]
_TAILS = ("normal", "light", "heavy", "scaled")


@dataclass(frozen=True)
class World:
    """The distributions of one setting: a fixed real set, and two cells that share most of their noise."""

    dim: int
    tails: str
    mixing: tuple[Array, Array]
    reference: FrechetReference

    @classmethod
    def of(cls, dim: int, tails: str) -> World:
        """Mix the dimensions at random; the second cell is nearer to the real images than the first."""
        rng = np.random.default_rng([dim, _TAILS.index(tails)])
        real = rng.normal(size=(dim, dim)) / np.sqrt(dim) + np.eye(dim)
        other = real + 0.15 * rng.normal(size=(dim, dim)) / np.sqrt(dim)
        features = _noise(rng, max(20_000, 4 * dim), dim, tails) @ real
        return cls(dim, tails, (real, other), FrechetReference.of(Moments.of(features)))

    def draw(self, n: int, seed: int) -> tuple[Array, Array]:
        """Return the features [n, dim] of both cells for the same prompts."""
        rng = np.random.default_rng(seed)
        first = _noise(rng, n, self.dim, self.tails) @ self.mixing[1] + 0.1
        own = _noise(rng, n, self.dim, self.tails) @ self.mixing[0]
        return first, (first + own) / 2 + 0.05 * rng.normal(size=own.shape)


def _noise(rng: np.random.Generator, n: int, dim: int, tails: str) -> Array:
    """Return features [n, dim] of mean 0.

    light: gamma(2), skewed like rectified units; heavy: t(5); scaled: t(5), with each image as a whole scaled
    by a root chi-square, so that images differ in strength.
    """
    match tails:
        case "normal":
            return rng.normal(size=(n, dim))
        case "light":
            return rng.gamma(2.0, size=(n, dim)) - 2
        case "heavy":
            return rng.standard_t(5, size=(n, dim))
        case _:
            return rng.standard_t(5, size=(n, dim)) * np.sqrt(rng.chisquare(8, size=(n, 1)) / 8)


def simulate(world: World, n: int, repeats: int, resamples: int) -> str:
    """Return a row of the table."""
    rows, bootstraps = [], []
    for seed in range(repeats):
        sets = world.draw(n, seed)
        (a, given), (b, _) = (_with_error(world.reference, features) for features in sets)
        pair = compare(a, b)
        rows.append((a.value, 1.96 * a.standard_error, pair.difference, pair.high - pair.difference, given))
        if seed % 4 == 0 and resamples:
            bootstraps.append(_bootstrap(world.reference, sets[0], resamples, seed))
    values, widths, differences, pair_widths, given = np.array(rows, dtype=np.float64).T
    columns = [
        f"{world.tails} | {world.dim} | {n} | {repeats} | {values.mean():.2f}",
        f"{values.std(ddof=1):.3f} / {widths.mean() / 1.96:.3f} | {_coverage(values, widths):.1f}%",
        f"{differences.std(ddof=1):.3f} / {pair_widths.mean() / 1.96:.3f}",
        f"{_coverage(differences, pair_widths):.1f}% | {given.mean() * 100:.0f}%",
        "{:.3f} | {:+.2f}".format(*np.mean(bootstraps, axis=0)) if bootstraps else "- | -",
    ]
    return f"| {' | '.join(columns)} |"


def _with_error(reference: FrechetReference, features: Array) -> tuple[Estimate, bool]:
    """Return the distance with its error, and whether the rules of metrics.frechet give that error."""
    sets = reference.leave_out(features, minimum=4)
    jackknife = sets.jackknife()
    given = with_error(jackknife, sets, sets.distance).standard_error is not None
    return jackknife.estimate(sets.distance), given


def _bootstrap(
    reference: FrechetReference, features: Array, resamples: int, seed: int
) -> tuple[float, float]:
    """Return the bootstrap's standard error, and how far its mean is above the distance."""
    rng = np.random.default_rng(seed)
    values = [
        frechet_distance(real=reference, generated=Moments.of(rng.choice(features, len(features))))
        for _ in range(resamples)
    ]
    plain = frechet_distance(real=reference, generated=Moments.of(features))
    return float(np.std(values, ddof=1)), float(np.mean(values)) - plain


def _coverage(values: Array, widths: Array) -> float:
    """Return the percentage of intervals, value ± width, that cover the expected value at this n."""
    return float(np.mean(np.abs(values - values.mean()) < widths) * 100)


def main() -> None:
    """Print the table, each row as soon as it is computed."""
    parser = argparse.ArgumentParser(description="Coverage of the Frechet distance's 95%% intervals.")
    parser.add_argument("--dims", type=int, nargs="+", default=[64])
    parser.add_argument("--n", type=int, nargs="+", default=[256, 1024])
    parser.add_argument("--repeats", type=int, default=100)
    parser.add_argument("--tails", nargs="+", choices=_TAILS, default=["light", "heavy"])
    parser.add_argument(
        "--resamples",
        type=int,
        default=20,
        help="bootstrap resamples, for every fourth repeat; 0: no bootstrap",
    )
    given = parser.parse_args()
    about = ["tails", "d", "n", "repeats", "distance"]
    names = [*about, "single", "covers", "paired", "covers", "given", "bootstrap", "shift"]
    print(f"| {' | '.join(names)} |")
    print("|---" * len(names) + "|")
    for tails in given.tails:
        for dim in given.dims:
            world = World.of(dim, tails)
            for n in given.n:
                print(simulate(world, n, given.repeats, given.resamples), flush=True)


if __name__ == "__main__":
    main()
