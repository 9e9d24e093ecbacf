"""Tables: the right cell is marked, with its error, in sensible digits."""

from __future__ import annotations

import numpy as np
import pandas as pd

from reports.tables import protocol_tables


def test_the_table_marks_the_best_of_rows_and_of_all(results: pd.DataFrame) -> None:
    distance, score = protocol_tables(results)
    assert distance.scales == ("1.5", "2", "3", "5", "8")
    assert distance.count == "512"
    best = {
        (table.protocol, name): (
            [cell.best_of_row for cell in cells if cell].index(True),
            any(cell.best_of_all for cell in cells if cell),
        )
        for table in (distance, score)
        for name, cells in table.rows
    }
    assert best == {
        ("fd-test", "v1"): (2, False),
        ("fd-test", "v2"): (1, True),
        ("clip-score-test", "v1"): (3, False),
        ("clip-score-test", "v2"): (3, True),
    }
    cell = distance.rows[1][1][1]
    assert cell is not None
    assert (cell.value, cell.error) == ("1.000", "0.050")


def test_gaps_missing_errors_and_notes_are_shown(results: pd.DataFrame) -> None:
    results.loc[0, ["standard_error", "note"]] = [np.nan, "no standard error: why"]
    gap = results[~((results["checkpoint"] == "v2") & (results["guidance_scale"] == 8))]
    table = protocol_tables(gap)[0]
    first = table.rows[0][1][0]
    assert first is not None
    assert first.error == ""
    assert table.rows[1][1][4] is None
    assert table.notes == ("no standard error: why",)


def test_digits_follow_the_errors_or_else_the_values(results: pd.DataFrame) -> None:
    small = results.assign(value=results["value"] / 100, standard_error=0.00021)
    cell = protocol_tables(small)[0].rows[1][1][1]
    assert cell is not None
    assert (cell.value, cell.error) == ("0.01000", "0.00021")
    unknown = protocol_tables(small.assign(standard_error=np.nan))[0].rows[0][1][0]
    assert unknown is not None
    assert unknown.value == "0.09000"
