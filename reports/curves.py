"""Whole curves against each other: the order that is settled, and what is not."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from reports.runs import Run
from reports.standing import SETTLED
from reports.wording import images_needed, listed

__all__ = ["CurveOrder", "curve_order", "order_of_own_bests"]

#: Most open pairs that a sentence names.
_NAMED = 3


@dataclass(frozen=True, eq=False)
class CurveOrder:
    """The curves of a run by one protocol, best first.

    ``steps`` are the settled pairs (ahead, behind) that do not follow from two others, and ``leading`` the
    curves that none is settled to be ahead of. ``open`` has a row for each pair that is
    not settled, those that take fewest images first, with ``ahead``, ``behind`` and the columns of the run.
    ``over`` says by what curves are compared, ``tested`` whether the run has tests.
    """

    label: str
    lower_is_better: bool
    curves: list[str]
    steps: list[tuple[str, str]]
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
        """The settled order as a clause, "a and b are ahead of c, c of d"; "" if nothing is settled."""
        groups: dict[tuple[str, ...], list[str]] = {}
        for name in self.curves:
            behind = tuple(other for other in self.curves if (name, other) in self.steps)
            if behind:
                groups.setdefault(behind, []).append(name)
        words: list[str] = []
        for behind, ahead in groups.items():
            verb = "" if words else "is ahead " if len(ahead) == 1 else "are ahead "
            words.append(f"{listed(ahead, 'others')} {verb}of {listed(list(behind), 'others')}")
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
    return CurveOrder(
        str(rows["label"].iloc[0]),
        bool(lower),
        curves,
        _steps(settled),
        [name for name in curves if not any(behind == name for _, behind in settled)],
        known[~known["settled"]].sort_values("needed", kind="stable"),
        over,
        len(known) > 0,
    )


def _steps(settled: list[tuple[str, ...]]) -> list[tuple[str, str]]:
    """Return the pairs that do not follow from two others."""
    known = set(settled)
    between = {name for pair in settled for name in pair}
    return [(a, c) for a, c in settled if not any({(a, b), (b, c)} <= known for b in between)]


def _scales(count: float) -> str:
    return "one guidance scale" if count == 1 else f"{count:.0f} guidance scales"
