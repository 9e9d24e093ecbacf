"""Scores prompt by prompt of the two best checkpoints of a run."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reports.rows import best_cells
from reports.runs import Run

__all__ = ["Pair", "best_pair"]

_SCORE = "score_"


@dataclass(frozen=True, eq=False)
class Pair:
    """The scores of cell a minus those of cell b, one for each prompt that both have: ``differences`` [n]."""

    a: str
    b: str
    protocol: str
    differences: NDArray[np.float64]


def best_pair(run: Run) -> Pair | None:
    """Return the two best checkpoints, each at its best cell, by the first score that is kept per image.

    None where no scores are kept per image, for a run of one checkpoint, or where the two have fewer than two
    prompts in common.
    """
    best = best_cells(run.results, ["checkpoint"])[:2]
    scores = [] if run.images is None else [name for name in run.images.columns if name.startswith(_SCORE)]
    if len(best) < 2 or not scores or run.images is None:
        return None
    first = min(scores, key=lambda name: not name.startswith(f"{_SCORE}clip-score"))
    of_a, of_b = (
        run.images[run.images["cell"] == cell].set_index("prompt_id")[first].astype("float64")
        for cell in best
    )
    of_a.index, of_b.index = of_a.index.astype(str), of_b.index.astype(str)
    gaps = np.asarray((of_a - of_b).dropna(), dtype=np.float64)
    if gaps.size < 2:
        return None
    a, b = (run.names[cell] for cell in best)
    return Pair(a, b, first.removeprefix(_SCORE), gaps)
