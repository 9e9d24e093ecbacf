"""Figures in words: a matrix per protocol, and the sentences that say which cell is best."""

from __future__ import annotations

import math
from dataclasses import dataclass

import pandas as pd

from reports.rows import curve_names, first_protocol

__all__ = ["MatrixCell", "ProtocolTable", "Verdict", "protocol_tables", "verdicts"]


@dataclass(frozen=True)
class MatrixCell:
    """One figure as text; ``error`` is its standard error, "" where none is known."""

    value: str
    error: str
    best_of_row: bool
    best_of_all: bool


@dataclass(frozen=True)
class ProtocolTable:
    """One protocol: curves down, guidance scales across; None where a cell was not measured."""

    protocol: str
    label: str
    better: str
    count: str
    scales: tuple[str, ...]
    rows: tuple[tuple[str, tuple[MatrixCell | None, ...]], ...]
    notes: tuple[str, ...]


def protocol_tables(results: pd.DataFrame) -> list[ProtocolTable]:
    """Return a table for every protocol, in the order of the rows."""
    named = results.assign(curve=curve_names(results))
    return [_table(rows) for _, rows in named.groupby("protocol", sort=False)]


@dataclass(frozen=True)
class Verdict:
    """Which cell is best by one metric, and how the best cell of another checkpoint compares ("" alone)."""

    sentence: str
    comparison: str


def verdicts(results: pd.DataFrame) -> list[Verdict]:
    """Return the headline: the cell of the lowest distance and that of the highest score, where measured.

    No test is made. The error of a difference is that of independent figures; cells that share prompts and
    noise usually differ more surely than it says.
    """
    measured = set(results["better"])
    return [_verdict(results, better) for better in ("lower", "higher") if better in measured]


def _table(rows: pd.DataFrame) -> ProtocolTable:
    scales = sorted(set(rows["guidance_scale"]))
    lower = rows["better"].iloc[0] == "lower"
    decimals = _decimals(rows)
    best = rows["value"].idxmin() if lower else rows["value"].idxmax()
    body = []
    for curve, entries in rows.groupby("curve", sort=False):
        best_of_row = entries["value"].idxmin() if lower else entries["value"].idxmax()
        by_scale = {
            scale: MatrixCell(
                value=f"{value:.{decimals}f}",
                error="" if math.isnan(error) else f"{error:.{decimals}f}",
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
        count=_count(rows),
        scales=tuple(f"{scale:g}" for scale in scales),
        rows=tuple(body),
        notes=tuple(note for note in dict.fromkeys(rows["note"]) if note),
    )


def _verdict(results: pd.DataFrame, better: str) -> Verdict:
    rows = results[results["protocol"] == first_protocol(results, better)]
    rows = rows.assign(curve=curve_names(results))
    decimals = _decimals(rows)
    ordered = rows.sort_values("value", ascending=better == "lower", kind="stable")
    best, word = ordered.iloc[0], "lowest" if better == "lower" else "highest"
    sentence = (
        f"{best['curve']} at guidance scale {best['guidance_scale']:g} has the {word} {best['label']}: "
        f"{_with_error(best['value'], best['standard_error'], decimals)}, n = {best['n']:,}."
    )
    others = ordered[ordered["checkpoint"] != best["checkpoint"]]
    if others.empty:
        return Verdict(sentence, "")
    rival = others.iloc[0]
    gap = abs(rival["value"] - best["value"])
    gap_error = math.hypot(rival["standard_error"], best["standard_error"])
    comparison = (
        f"The best of the other checkpoints is {rival['curve']} at {rival['guidance_scale']:g} with "
        f"{_with_error(rival['value'], rival['standard_error'], decimals)}; "
        f"the difference is {_with_error(gap, gap_error, decimals)}."
    )
    return Verdict(sentence, comparison)


def _with_error(value: float, error: float, decimals: int) -> str:
    if math.isnan(error):
        return f"{value:.{decimals}f} (error not known)"
    return f"{value:.{decimals}f} ± {error:.{decimals}f}"


def _count(rows: pd.DataFrame) -> str:
    low, high = rows["n"].min(), rows["n"].max()
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


def _decimals(rows: pd.DataFrame) -> int:
    """Return how many decimals show two digits of a typical standard error, else four of the smallest value.

    One number of decimals for a whole table: columns of figures are read by comparing them.
    """
    errors = rows["standard_error"].dropna()
    errors = errors[errors > 0]
    if len(errors):
        return _places(float(errors.median()), digits=2)
    values = rows["value"].abs()
    values = values[values > 0]
    return _places(float(values.min()), digits=4) if len(values) else 1


def _places(value: float, digits: int) -> int:
    return min(max(digits - 1 - math.floor(math.log10(value)), 0), 9)
