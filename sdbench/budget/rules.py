"""Which cells need more prompts: pure functions of the figures at each look.

A rule is asked at every look with the figures of the cells that are open, all of the same n and the same
prompts, and answers with those that stay open. What it has once called settled stays settled.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from itertools import combinations, product
from typing import Generic, Protocol, TypeVar

from metrics import Estimate
from metrics.compare import compare
from metrics.sequential import always_valid_factor, settled_order, too_skewed

__all__ = ["Ranking", "Rule", "Until"]

C = TypeVar("C", bound=Hashable)


class Rule(Protocol[C]):
    """Closes cells, and says why it closed one and what has come out."""

    def look(self, n: int, figures: Mapping[C, Estimate]) -> frozenset[C]:
        """Take the figures of n images of the open cells and return the cells that stay open."""

    def reason(self, cell: C) -> str:
        """Why a closed cell needs no more prompts."""

    def verdict(self) -> str:
        """What has come out, in words."""

    def claims(self) -> list[str]:
        """What is settled, each with the n of its look."""


class Until(Generic[C]):
    """A cell is closed when its always-valid interval is no wider than `half_width` to each side.

    An interval counts once the images' parts in the figure are not too skewed for their number.
    """

    def __init__(self, half_width: float, confidence: float) -> None:
        self._half_width, self._confidence = half_width, confidence
        self._closed: dict[C, float] = {}
        self._cells: set[C] = set()

    def look(self, n: int, figures: Mapping[C, Estimate]) -> frozenset[C]:
        """Close the cells whose interval is narrow enough."""
        self._cells.update(figures)
        factor = always_valid_factor(n, 1 - self._confidence)
        for cell, figure in figures.items():
            if figure.standard_error is None or factor * figure.standard_error > self._half_width:
                continue
            if figure.per_image is None or not too_skewed(figure.per_image):
                self._closed[cell] = factor * figure.standard_error
        return frozenset(self._cells - self._closed.keys())

    def reason(self, cell: C) -> str:
        """The half-width that was reached."""
        return f"always-valid interval ± {self._closed[cell]:.3g}"

    def verdict(self) -> str:
        """How many cells got there."""
        return f"{len(self._closed)} of {len(self._cells)} cells are known to ± {self._half_width:g}"

    def claims(self) -> list[str]:
        """Nothing beside the intervals, which stand in the reasons."""
        return []


class Ranking(Generic[C]):
    """Contenders are ranked by their best cells, and closed when every two of them are in order.

    A is ahead of B once one cell of A is better than each cell of B, by intervals that hold together. For a
    false order one of the pairs that hold A's or B's truly best cell must be wrong: |A| + |B| - 1 of them, so
    each interval of a pair of cells may miss with (1 - confidence) / pairs of contenders / that number.

    A pair of cells is open while the order of its contenders may still hang on it: it is not settled, and one
    of the two has not been beaten by a cell of the other contender.
    """

    def __init__(self, contenders: Mapping[str, Sequence[C]], better: str, confidence: float) -> None:
        self._contenders = {name: tuple(cells) for name, cells in contenders.items()}
        self._sign = -1 if better == "lower" else 1
        self._miss = 1 - confidence
        self._beats: set[tuple[C, C]] = set()
        self.settled: dict[tuple[str, str], int] = {}
        """(ahead, behind) -> n of the look that settled it."""

    def look(self, n: int, figures: Mapping[C, Estimate]) -> frozenset[C]:
        """Test the open pairs of cells and return the cells of those that stay open."""
        for a, b in self._open_contenders():
            for x, y in self._open_cells(a, b):
                sign = self._sign * settled_order(compare(figures[x], figures[y]), n, self._miss_of(a, b))
                if sign:
                    self._beats.add((x, y) if sign > 0 else (y, x))
            for ahead, behind in ((a, b), (b, a)):
                if self._is_ahead(ahead, behind):
                    self.settled[ahead, behind] = n
        pairs = [self._open_cells(a, b) for a, b in self._open_contenders()]
        return frozenset(cell for cells in pairs for pair in cells for cell in pair)

    @property
    def order(self) -> tuple[str, ...] | None:
        """The contenders, best first; None while two of them are not in order."""
        names = list(self._contenders)
        wins = {name: sum(1 for ahead, _ in self.settled if ahead == name) for name in names}
        if sorted(wins.values()) != list(range(len(names))):
            return None
        return tuple(sorted(names, key=lambda name: -wins[name]))

    def reason(self, cell: C) -> str:
        """Why no comparison needs the cell."""
        return "no open comparison needs it"

    def verdict(self) -> str:
        """The ranking, or which pairs are not in order."""
        if self.order is not None:
            return f"settled: {' > '.join(self.order)}"
        unknown = [f"{a} and {b}" for a, b in self._open_contenders()]
        known = [f"{a} > {b}" for a, b in self.settled]
        words = [f"not settled: {', '.join(unknown) or 'the comparisons contradict each other'}"]
        return "; ".join([*words, *([f"settled: {', '.join(known)}"] if known else [])])

    def claims(self) -> list[str]:
        """The settled pairs, in the order of settling."""
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
