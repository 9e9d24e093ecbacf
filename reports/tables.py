"""Values as text: a table per protocol, curves down and guidance scales across."""

from __future__ import annotations

import math
from dataclasses import dataclass

import pandas as pd

from reports.wording import count_range, decimals

__all__ = ["MatrixCell", "ProtocolTable", "protocol_tables"]


@dataclass(frozen=True)
class MatrixCell:
    """One value as text; ``error`` is its standard error, "" if unknown."""

    value: str
    error: str
    best_of_row: bool
    best_of_all: bool


@dataclass(frozen=True)
class ProtocolTable:
    """One protocol: curves down, guidance scales across, None for a cell that was not measured."""

    protocol: str
    label: str
    better: str
    count: str
    scales: tuple[str, ...]
    rows: tuple[tuple[str, tuple[MatrixCell | None, ...]], ...]
    notes: tuple[str, ...]


def protocol_tables(results: pd.DataFrame) -> list[ProtocolTable]:
    """Return a table for each protocol, in the order of the rows."""
    return [_table(rows) for _, rows in results.groupby("protocol", sort=False)]


def _table(rows: pd.DataFrame) -> ProtocolTable:
    scales = sorted(set(rows["guidance_scale"]))
    lower = rows["better"].iloc[0] == "lower"
    places = decimals(rows)
    best = rows["value"].idxmin() if lower else rows["value"].idxmax()
    body = []
    for curve, entries in rows.groupby("curve", sort=False):
        best_of_row = entries["value"].idxmin() if lower else entries["value"].idxmax()
        by_scale = {
            scale: MatrixCell(
                value=f"{value:.{places}f}",
                error="" if math.isnan(error) else f"{error:.{places}f}",
                best_of_row=index == best_of_row,
                best_of_all=index == best,
            )
            for index, scale, value, error in zip(
                entries.index,
                entries["guidance_scale"],
                entries["value"],
                entries["standard_error"],
                strict=True,
            )
        }
        body.append((str(curve), tuple(by_scale.get(scale) for scale in scales)))
    return ProtocolTable(
        protocol=str(rows["protocol"].iloc[0]),
        label=str(rows["label"].iloc[0]),
        better=str(rows["better"].iloc[0]),
        count=count_range(rows["n"]),
        scales=tuple(f"{scale:g}" for scale in scales),
        rows=tuple(body),
        notes=tuple(note for note in dict.fromkeys(rows["note"]) if note),
    )
