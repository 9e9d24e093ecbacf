"""The values of a run as small tables: a row for each curve, a column for each guidance scale."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from reports.runs import Run
from reports.standing import standing
from reports.wording import number

__all__ = ["ValueTable", "value_tables"]


@dataclass(frozen=True)
class ValueTable:
    """The values of one protocol as text.

    ``rows`` has, for each curve, the text of the value at each of ``scales``, "" without one. ``best`` is the
    (row, column) of the best value. ``unknown_errors`` says why values have no error, "" if all have one.
    """

    protocol: str
    label: str
    better: str
    scales: list[float]
    rows: list[tuple[str, list[str]]]
    best: tuple[int, int]
    unknown_errors: str


def value_tables(run: Run) -> list[ValueTable]:
    """Return the tables of the first score and the first distance, as far as the run has them."""
    return [_table(run, name) for name in (run.first("higher"), run.first("lower")) if name is not None]


def _table(run: Run, protocol: str) -> ValueTable:
    stand, results = standing(run, protocol), run.of_protocol(protocol)
    scales = sorted(set(results["guidance_scale"]))
    curves = list(dict.fromkeys(results["curve"]))
    texts = {
        (str(row["curve"]), row["guidance_scale"]): _text(row["value"], row["standard_error"], stand.places)
        for row in results.to_dict("records")
    }
    best = stand.best
    notes = results.loc[results["standard_error"].isna(), "note"]
    return ValueTable(
        protocol,
        stand.label,
        str(results["better"].iloc[0]),
        scales,
        [(curve, [texts.get((curve, scale), "") for scale in scales]) for curve in curves],
        (curves.index(best["curve"]), scales.index(best["guidance_scale"])),
        str(notes.iloc[0]) if len(notes) else "",
    )


def _text(value: float, error: float, places: int) -> str:
    text = number(value, places)
    return text if pd.isna(error) else f"{text} ± {number(error, places)}"
