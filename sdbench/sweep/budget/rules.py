"""Which cells need more prompts: rules that depend only on the values at each look.

At every look, a rule takes the values of the open cells, all over the same n prompts, and returns the cells
that stay open. What it has called settled stays settled.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from itertools import combinations, permutations, product
from typing import Generic, Protocol, TypeVar

from metrics import Estimate
from metrics.compare import compare
from metrics.scale_spline import FEWEST_SCALES
from metrics.sequential import always_valid_factor, settled_order, too_skewed

__all__ = ["BestScales", "Ranking", "Rule", "Until"]

C = TypeVar("C", bound=Hashable)


class Rule(Protocol[C]):
    """Closes cells and reports the result."""

    def look(self, n: int, values: Mapping[C, Estimate]) -> frozenset[C]:
        """Take the open cells' values over n images, and return the cells that stay open."""

    def reason(self, cell: C) -> str:
        """Return why a closed cell needs no more prompts."""

    def verdict(self) -> str:
        """Return the result in words."""

    def claims(self) -> list[str]:
        """Return what is settled, each claim with the n of its look."""


class Until(Generic[C]):
    """Closes a cell once its always-valid interval extends at most `half_width` to each side.

    An interval counts only if the per-image contributions are not too skewed for their number.
    """

    def __init__(self, half_width: float, confidence: float) -> None:
        self._half_width, self._confidence = half_width, confidence
        self._closed: dict[C, float] = {}
        self._cells: set[C] = set()

    def look(self, n: int, values: Mapping[C, Estimate]) -> frozenset[C]:
        """Close the cells whose interval is narrow enough."""
        self._cells.update(values)
        factor = always_valid_factor(n, 1 - self._confidence)
        for cell, value in values.items():
            if value.standard_error is None or factor * value.standard_error > self._half_width:
                continue
            if value.per_image is None or not too_skewed(value.per_image):
                self._closed[cell] = factor * value.standard_error
        return frozenset(self._cells - self._closed.keys())

    def reason(self, cell: C) -> str:
        """Return the half-width that was reached."""
        return f"always-valid interval ± {self._closed[cell]:.3g}"

    def verdict(self) -> str:
        """Return how many cells reached the half-width."""
        return f"{len(self._closed)} of {len(self._cells)} cells are known to ± {self._half_width:g}"

    def claims(self) -> list[str]:
        """Return nothing: the reasons give the intervals."""
        return []


class Ranking(Generic[C]):
    """Ranks contenders by their best cells, and closes cells that the order no longer depends on.

    A is ahead of B once one cell of A is better than every cell of B, by simultaneous intervals. For a wrong
    order, a pair that contains A's or B's truly best cell must be wrong. As there are |A| + |B| - 1 such
    pairs, the interval of a pair of cells may miss with probability (1 - confidence) / pairs of contenders /
    that number.

    A pair of cells is open while the order of its contenders may depend on it: the order is not settled, and
    at least one of the two cells has not been beaten by a cell of the other contender.
    """

    def __init__(self, contenders: Mapping[str, Sequence[C]], better: str, confidence: float) -> None:
        self._contenders = {name: tuple(cells) for name, cells in contenders.items()}
        self._sign = -1 if better == "lower" else 1
        self._miss = 1 - confidence
        self._beats: set[tuple[C, C]] = set()
        self.settled: dict[tuple[str, str], int] = {}
        """(ahead, behind) -> n of the look that settled it."""

    def look(self, n: int, values: Mapping[C, Estimate]) -> frozenset[C]:
        """Test the open pairs of cells, and return the cells of pairs that stay open."""
        for a, b in self._open_contenders():
            for x, y in self._open_cells(a, b):
                sign = self._sign * settled_order(compare(values[x], values[y]), n, self._miss_of(a, b))
                if sign:
                    self._beats.add((x, y) if sign > 0 else (y, x))
            for ahead, behind in ((a, b), (b, a)):
                if self._is_ahead(ahead, behind):
                    self.settled[ahead, behind] = n
        pairs = [self._open_cells(a, b) for a, b in self._open_contenders()]
        return frozenset(cell for cells in pairs for pair in cells for cell in pair)

    @property
    def order(self) -> tuple[str, ...] | None:
        """The contenders, best first; None while the order of two of them is open."""
        names = list(self._contenders)
        wins = {name: sum(1 for ahead, _ in self.settled if ahead == name) for name in names}
        if sorted(wins.values()) != list(range(len(names))):
            return None
        return tuple(sorted(names, key=lambda name: -wins[name]))

    def reason(self, cell: C) -> str:
        """Return why the cell needs no more prompts."""
        return "no open comparison needs it"

    def verdict(self) -> str:
        """Return the ranking, or which pairs are not settled."""
        if self.order is not None:
            return f"settled: {' > '.join(self.order)}"
        unknown = [f"{a} and {b}" for a, b in self._open_contenders()]
        known = [f"{a} > {b}" for a, b in self.settled]
        words = [f"not settled: {', '.join(unknown) or 'the comparisons contradict each other'}"]
        return "; ".join([*words, *([f"settled: {', '.join(known)}"] if known else [])])

    def claims(self) -> list[str]:
        """Return the settled pairs, in the order of settling."""
        return [f"{ahead} > {behind} at {n} prompts" for (ahead, behind), n in self.settled.items()]

    def _miss_of(self, a: str, b: str) -> float:
        contenders = len(self._contenders)
        pairs = contenders * (contenders - 1) // 2
        return self._miss / pairs / (len(self._contenders[a]) + len(self._contenders[b]) - 1)

    def _open_contenders(self) -> list[tuple[str, str]]:
        names = combinations(self._contenders, 2)
        return [(a, b) for a, b in names if not {(a, b), (b, a)} & self.settled.keys()]

    def _is_ahead(self, a: str, b: str) -> bool:
        return any(all((x, y) in self._beats for y in self._contenders[b]) for x in self._contenders[a])

    def _open_cells(self, a: str, b: str) -> list[tuple[C, C]]:
        ours, theirs = self._contenders[a], self._contenders[b]
        live = {x for x in ours if not any((y, x) in self._beats for y in theirs)}
        live |= {y for y in theirs if not any((x, y) in self._beats for x in ours)}
        pairs = product(ours, theirs)
        return [(x, y) for x, y in pairs if not {(x, y), (y, x)} & self._beats and live & {x, y}]


class BestScales(Generic[C]):
    """Finds the best scale of each curve among its neighbours, and closes cells that are far from it.

    A cell is ruled out once another cell of its curve is better. For a wrong call the truly best cell must be
    found worse than another one, so the interval of a pair may miss with probability (1 - confidence) /
    number of curves / (cells of the curve - 1).

    The cells that may be the best stay open with those between them and one on either side, at least four:
    the curve through them says where the best scale is. A curve is settled when one cell, or two neighbours,
    may be the best.
    """

    def __init__(self, curves: Mapping[str, Mapping[float, C]], better: str, confidence: float) -> None:
        self._curves = {name: dict(sorted(cells.items())) for name, cells in curves.items()}
        self._sign = -1 if better == "lower" else 1
        self._miss = 1 - confidence
        self._ruled_out: set[C] = set()
        self._settled: dict[str, int] = {}

    def look(self, n: int, values: Mapping[C, Estimate]) -> frozenset[C]:
        """Rule out cells of the open curves, and return the cells around those that may be the best."""
        still_open: list[C] = []
        for name, by_scale in self._curves.items():
            if name in self._settled or len(by_scale) < FEWEST_SCALES:
                continue
            cells = list(by_scale.values())
            miss = self._miss / len(self._curves) / (len(cells) - 1)
            left = [cell for cell in cells if cell not in self._ruled_out]
            self._ruled_out |= {
                worse
                for worse, other in permutations(left, 2)
                if self._sign * settled_order(compare(values[other], values[worse]), n, miss) > 0
            }
            may_be = [place for place, cell in enumerate(cells) if cell not in self._ruled_out]
            high = max(min(may_be[-1] + 1, len(cells) - 1), FEWEST_SCALES - 1)
            low = min(max(may_be[0] - 1, 0), high - FEWEST_SCALES + 1)
            if may_be[-1] - may_be[0] < 2:
                self._settled[name] = n
            else:
                still_open += cells[low : high + 1]
        return frozenset(still_open)

    def reason(self, cell: C) -> str:
        """Return why the cell needs no more prompts."""
        (name,) = (name for name, cells in self._curves.items() if cell in cells.values())
        if len(self._curves[name]) < FEWEST_SCALES:
            return f"its curve has fewer than {FEWEST_SCALES} scales"
        return (
            "the best scale of its curve is settled" if name in self._settled else "far from the best scale"
        )

    def verdict(self) -> str:
        """Return the scales that may be the best, by curve."""
        known = [f"{name} {self._scales(name)}" for name in self._settled]
        unknown = [
            f"{name} {self._scales(name)}"
            for name, cells in self._curves.items()
            if name not in self._settled and len(cells) >= FEWEST_SCALES
        ]
        words = [f"best scale settled: {', '.join(known)}"] if known else []
        return "; ".join([*words, *([f"not settled: {', '.join(unknown)}"] if unknown else [])])

    def claims(self) -> list[str]:
        """Return the settled curves, in the order of settling."""
        return [
            f"{name} is best at {self._scales(name)}, at {n} prompts" for name, n in self._settled.items()
        ]

    def _scales(self, name: str) -> str:
        scales = [f"{s:g}" for s, cell in self._curves[name].items() if cell not in self._ruled_out]
        return scales[0] if len(scales) == 1 else f"{', '.join(scales[:-1])} or {scales[-1]}"
