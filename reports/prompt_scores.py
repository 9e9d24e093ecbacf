"""The two best checkpoints of a run, compared prompt by prompt."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reports.plots.sheet import styles_of
from reports.rows import best_cells
from reports.runs import Run
from reports.style import CurveStyle

__all__ = ["Pair", "best_pair"]

_SCORE = "score_"


@dataclass(frozen=True, eq=False)
class Pair:
    """Two cells by name; ``differences`` [n] are scores of a minus scores of b, one per common prompt.

    ``styles`` are those of their curves, as in the other plots of the run.
    """

    a: str
    b: str
    protocol: str
    differences: NDArray[np.float64]
    styles: tuple[CurveStyle, CurveStyle]


def best_pair(run: Run) -> Pair | None:
    """Return the best cells of the two best checkpoints, with a score that is stored for each image.

    None if the run has one checkpoint or stores no such score, or if the cells share fewer than two prompts.
    """
    best = best_cells(run.results, ["checkpoint"])[:2]
    scores = [] if run.images is None else [name for name in run.images.columns if name.startswith(_SCORE)]
    if len(best) < 2 or not scores or run.images is None:
        return None
    first = min(scores, key=lambda name: not name.startswith(f"{_SCORE}clip-score"))
    of_a, of_b = (
        run.images[run.images["cell"] == cell].groupby("prompt", observed=True, sort=False)[first].mean()
        for cell in best
    )
    of_a.index, of_b.index = of_a.index.astype(str), of_b.index.astype(str)
    gaps = np.asarray((of_a - of_b).dropna(), dtype=np.float64)
    if gaps.size < 2:
        return None
    a, b = (run.names[cell] for cell in best)
    looks, curve_of = styles_of(run.results), dict(zip(run.cells["cell"], run.cells["curve"], strict=True))
    return Pair(a, b, first.removeprefix(_SCORE), gaps, (looks[curve_of[best[0]]], looks[curve_of[best[1]]]))
