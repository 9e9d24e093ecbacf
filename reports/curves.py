"""Whole curves against each other: the order that is settled, and what is not."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations, pairwise

import numpy as np
import pandas as pd

from reports.runs import Run
from reports.standing import SETTLED
from reports.wording import images_needed

__all__ = ["CurveOrder", "curve_order", "order_of_own_bests"]

#: Most open pairs that a sentence names.
_NAMED = 3


@dataclass(frozen=True, eq=False)
class CurveOrder:
    """The curves of a run by one protocol, best first.

    ``chain`` is the longest sequence of curves of which each is settled ahead of the next, best first;
    ``also`` are the settled pairs that do not follow from it.
    ``leading`` are the curves that none is settled to be ahead of. ``open`` has a row for each pair that is
    not settled, those that take fewest images first, with ``ahead``, ``behind`` and the columns of the run.
    ``over`` says by what curves are compared, ``tested`` whether the run has tests.
    """

    label: str
    lower_is_better: bool
    curves: list[str]
    chain: list[str]
    also: list[tuple[str, str]]
    leading: list[str]
    open: pd.DataFrame
    over: str
    tested: bool

    @property
    def sentence(self) -> str:
        """What is settled about the order, what is not, and how many images would settle it."""
        what = f"{self.label.split(' (')[0]}, {self.over}:"
        if not self.tested:
            return f"{what} {self.curves[0]} leads, but the metric has no error at this number of images."
        if not self.settled:
            return f"{what} not settled is {self._open_pairs()}."
        order = f"{what} {self.settled} (settled)"
        return f"{order}; not settled is {self._open_pairs()}." if len(self.open) else f"{order}."

    @property
    def settled(self) -> str:
        """The settled order as a clause, "a is ahead of b, b of c"; "" if nothing is settled."""
        steps = [*pairwise(self.chain), *self.also[:_NAMED]]
        words = [
            f"{ahead} {'of' if place else 'is ahead of'} {behind}"
            for place, (ahead, behind) in enumerate(steps)
        ]
        return ", ".join(words)

    def _open_pairs(self) -> str:
        """Return the open pairs, each with the images a cell that settle it."""
        pairs, words = [], "settling it takes {} images a cell"
        for row in self.open.head(_NAMED).to_dict("records"):
            number = images_needed(row["needed_low"], row["needed_high"], row["n"])
            needed = f" ({words.format(number)})" if number else ""
            words = "{}" if number else words
            pairs.append(f"{row['ahead']} against {row['behind']}{needed}")
        more = len(self.open) - _NAMED
        return ", ".join(pairs) + (f" and {more} more pairs" if more > 0 else "")


def curve_order(run: Run, protocol: str) -> CurveOrder | None:
    """Return the order of the curves by their means over the common guidance scales.

    None without stored pairs of curves.
    """
    if run.curves is None:
        return None
    pairs = run.curves[run.curves["protocol"] == protocol]
    return _order(run, protocol, pairs, f"mean over {_scales(pairs['scales'].max())}")


def order_of_own_bests(run: Run, protocol: str) -> CurveOrder | None:
    """Return the order of the curves, each at its own best guidance scale; None without stored pairs."""
    if run.own_bests is None:
        return None
    pairs = run.own_bests[run.own_bests["protocol"] == protocol]
    return _order(run, protocol, pairs, "each at its best guidance scale")


def _order(run: Run, protocol: str, pairs: pd.DataFrame, over: str) -> CurveOrder | None:
    if pairs.empty:
        return None
    rows = run.of_protocol(protocol)
    lower = rows["better"].iloc[0] == "lower"
    ahead = (pairs["difference"] < 0) == lower
    pairs = pairs.assign(
        ahead=np.where(ahead, pairs["a"], pairs["b"]),
        behind=np.where(ahead, pairs["b"], pairs["a"]),
        settled=pairs["p_holm"] < SETTLED,
    )
    wins = pairs["ahead"].value_counts()
    curves = sorted(dict.fromkeys([*pairs["a"], *pairs["b"]]), key=lambda name: -int(wins.get(name, 0)))
    known = pairs[pairs["p_holm"].notna()]
    settled = list(map(tuple, known.loc[known["settled"], ["ahead", "behind"]].to_numpy()))
    chain = _longest(curves, set(settled))
    return CurveOrder(
        str(rows["label"].iloc[0]),
        bool(lower),
        curves,
        chain,
        [pair for pair in settled if pair not in set(combinations(chain, 2))],
        [name for name in curves if not any(behind == name for _, behind in settled)],
        known[~known["settled"]].sort_values("needed", kind="stable"),
        over,
        len(known) > 0,
    )


def _longest(curves: list[str], settled: set[tuple[str, ...]]) -> list[str]:
    """Return the longest sequence of curves, in their order, of which each is settled ahead of the next."""
    best: dict[str, list[str]] = {}
    for name in reversed(curves):
        tails = [best[other] for other in best if (name, other) in settled]
        best[name] = [name, *max(tails, key=len, default=[])]
    return max((best[name] for name in curves), key=len)


def _scales(count: float) -> str:
    return "one guidance scale" if count == 1 else f"{count:.0f} guidance scales"
