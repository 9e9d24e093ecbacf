"""Which cell is best by a protocol, and which cells the run cannot tell apart from it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from reports.runs import Run
from reports.wording import decimals

__all__ = ["SETTLED", "Standing", "standing"]

#: Below this corrected p-value a difference counts as settled.
SETTLED = 0.05


@dataclass(frozen=True, eq=False)
class Standing:
    """The best cell by one protocol and all others, best first.

    ``rivals`` has the columns of the results and ``difference`` (rival - best), ``low``, ``high``,
    ``p_value``, ``p_holm`` (NaN where no test is stored) and ``settled``. ``tests`` is how many pairs the
    p-values are corrected for, 0 where the run stores none.
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
        """The rivals that may well be better than the best cell."""
        return self.rivals[~self.rivals["settled"]]

    @property
    def other_checkpoints(self) -> pd.DataFrame:
        """The rivals of other checkpoints."""
        return self.rivals[self.rivals["checkpoint"] != self.best["checkpoint"]]


def standing(run: Run, protocol: str) -> Standing:
    """Return how the cells stand by a protocol of the run."""
    rows = run.of_protocol(protocol)
    lower = bool(rows["better"].iloc[0] == "lower")
    ordered = rows.sort_values("value", ascending=lower, kind="stable").reset_index(drop=True)
    best = ordered.iloc[0]
    pairs, tests = _against(run, protocol, str(best["cell"]))
    rivals = ordered.iloc[1:].merge(pairs, on="cell", how="left")
    rivals["difference"] = rivals["difference"].fillna(rivals["value"] - best["value"])
    # Over the prompts that both have, a rival of fewer images may be ahead of the best figure.
    behind = (rivals["difference"] > 0) == lower
    rivals["settled"] = (rivals["p_holm"] < SETTLED) & behind
    return Standing(protocol, str(best["label"]), lower, decimals(rows), best, rivals, tests)


def _against(run: Run, protocol: str, best: str) -> tuple[pd.DataFrame, int]:
    """Return the pairs that hold the best cell, as rival - best by rival, and how many pairs there are."""
    columns = ["cell", "difference", "low", "high", "p_value", "p_holm"]
    if run.comparisons is None:
        return pd.DataFrame(columns=columns).astype(dict.fromkeys(columns[1:], np.float64)), 0
    pairs = run.comparisons[run.comparisons["protocol"] == protocol]
    turned = pairs[pairs["a"] == best]
    turned = turned.assign(
        cell=turned["b"], difference=-turned["difference"], low=-turned["high"], high=-turned["low"]
    )
    straight = pairs[pairs["b"] == best].assign(cell=pairs["a"])
    return pd.concat([turned, straight])[columns], int(pairs["p_value"].notna().sum())
