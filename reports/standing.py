"""The best cell by a protocol, and the cells that the run cannot tell apart from it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from reports.runs import Run
from reports.wording import decimals

__all__ = ["SETTLED", "Standing", "standing"]

#: A statement is settled if its corrected p-value is below this.
SETTLED = 0.05


@dataclass(frozen=True, eq=False)
class Standing:
    """The best cell by one protocol and its rivals, all other cells, best first.

    ``rivals`` has the columns of the results and ``difference`` (rival - best), ``low``, ``high``,
    ``p_best`` (the p-value of "this is the best", corrected for all cells), ``needed_low`` and
    ``needed_high`` (images a cell that would settle it, given ``n_best``; all NaN without a stored test) and
    ``settled``. ``places`` is the number of decimals.
    ``tests`` is the number of cells that were compared with the best, 0 if the run stores none.
    """

    protocol: str
    label: str
    lower_is_better: bool
    places: int
    best: pd.Series
    rivals: pd.DataFrame
    tests: int

    @property
    def unsettled(self) -> pd.DataFrame:
        """The rivals that may in truth be better than the best cell."""
        return self.rivals[~self.rivals["settled"]]

    @property
    def below_zero(self) -> str:
        """Why the best distance is below zero, "" if it is not."""
        below = self.lower_is_better and self.best["value"] < 0
        return "An unbiased estimate of a small distance can fall below 0." if below else ""

    @property
    def other_checkpoints(self) -> pd.DataFrame:
        """The rivals that belong to other checkpoints."""
        return self.rivals[self.rivals["checkpoint"] != self.best["checkpoint"]]


def standing(run: Run, protocol: str) -> Standing:
    """Rank the cells of the run by a protocol."""
    rows = run.of_protocol(protocol)
    lower = bool(rows["better"].iloc[0] == "lower")
    ordered = rows.sort_values("value", ascending=lower, kind="stable").reset_index(drop=True)
    best = ordered.iloc[0]
    rivals = ordered.iloc[1:].merge(_against(run, protocol, str(best["cell"])), on="cell", how="left")
    rivals = rivals.merge(_chances(run, protocol), on="cell", how="left", suffixes=("", "_best"))
    rivals["difference"] = rivals["difference"].fillna(rivals["value"] - best["value"])
    # Pairs are compared over common prompts, where a rival with fewer images may be ahead of the best cell.
    behind = (rivals["difference"] > 0) == lower
    rivals["settled"] = (rivals["p_best"] < SETTLED) & behind
    tests = int(rivals["p_best"].notna().sum())
    return Standing(protocol, str(best["label"]), lower, decimals(rows), best, rivals, tests)


def _chances(run: Run, protocol: str) -> pd.DataFrame:
    """Return how surely each cell is not the best."""
    columns = ["cell", "p_best", "needed_low", "needed_high", "n"]
    if run.best is None:
        return pd.DataFrame(columns=columns).astype(dict.fromkeys(columns[1:], np.float64))
    return run.best.loc[run.best["protocol"] == protocol, columns]


def _against(run: Run, protocol: str, best: str) -> pd.DataFrame:
    """Return rival - best for each pair with the best cell."""
    columns = ["cell", "difference", "low", "high"]
    if run.comparisons is None:
        return pd.DataFrame(columns=columns).astype(dict.fromkeys(columns[1:], np.float64))
    pairs = run.comparisons[run.comparisons["protocol"] == protocol]
    turned = pairs[pairs["a"] == best]
    turned = turned.assign(
        cell=turned["b"], difference=-turned["difference"], low=-turned["high"], high=-turned["low"]
    )
    straight = pairs[pairs["b"] == best]
    straight = straight.assign(cell=straight["a"])  # of all pairs, it would fill an empty frame with rows
    return pd.concat([turned, straight])[columns]
