"""The standing of cells: each rival once."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest

from reports.standing import standing


@pytest.mark.parametrize("best", ["first", "second", "third"])
def test_each_rival_is_compared_once_wherever_the_best_cell_stands(best: str) -> None:
    cells = ["first", "second", "third"]
    values = {cell: 1.0 if cell == best else 2.0 + cells.index(cell) for cell in cells}
    rows = pd.DataFrame(
        {
            "cell": cells,
            "checkpoint": cells,
            "label": "FID",
            "better": "lower",
            "value": [values[cell] for cell in cells],
            "standard_error": 0.1,
        }
    )
    pairs = [("first", "second"), ("first", "third"), ("second", "third")]
    comparisons = pd.DataFrame(
        [{"protocol": "fid", "a": a, "b": b, "difference": values[a] - values[b]} for a, b in pairs]
    ).assign(low=-1.0, high=1.0)
    run: Any = SimpleNamespace(comparisons=comparisons, best=None, of_protocol=lambda protocol: rows)
    rivals = standing(run, "fid").rivals
    assert sorted(rivals["cell"]) == [cell for cell in cells if cell != best]
    assert (rivals["difference"] == rivals["value"] - 1.0).all()
