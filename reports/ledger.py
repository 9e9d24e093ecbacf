"""The guidance ledger in words: what a way of guiding amounts to, and whether it leaves the curve."""

from __future__ import annotations

import math
from dataclasses import dataclass

import pandas as pd

from reports.runs import Run
from reports.standing import SETTLED
from reports.wording import INTERVAL, decimals, interval, p_value, signed

__all__ = ["LedgerEntry", "LedgerLine", "ledger_entries"]


@dataclass(frozen=True)
class LedgerLine:
    """The gain by one protocol and its parts, each as (value, 95% interval); ("", "") if not known."""

    protocol: str
    label: str
    gain: tuple[str, str]
    along: tuple[str, str]
    off: tuple[str, str]


@dataclass(frozen=True)
class LedgerEntry:
    """A guided cell against one control: its scales as (value, 95% interval), and what is settled."""

    name: str
    control: str
    effective: tuple[str, str]
    nearest: tuple[str, str]
    lines: list[LedgerLine]
    sentence: str


def ledger_entries(run: Run) -> list[LedgerEntry]:
    """Return the rows of ledger.csv in words, for the cells that have results; none without the table."""
    table = run.ledger
    if table is None:
        return []
    return [_entry(run, row) for _, row in table[table["cell"].isin(run.names)].iterrows()]


def _entry(run: Run, row: pd.Series) -> LedgerEntry:
    matched = {"scale": "the same scale", "evaluations": "as many evaluations"}
    words = matched.get(row["matched"], "the nearest effective scale")
    name = run.names.get(row["control"], "")
    return LedgerEntry(
        run.names[row["cell"]],
        f"{name} ({words})" if name else "none",
        _scale(row["effective_scale"], row["effective_scale_error"]),
        _fitted(row),
        [] if math.isnan(row["gain_x"]) else [_line(run, row, axis) for axis in ("y", "x")],
        _sentence(run, row),
    )


def _line(run: Run, row: pd.Series, axis: str) -> LedgerLine:
    protocol = row[f"{axis}_protocol"]
    results = run.of_protocol(protocol)
    places = decimals(results)
    texts = []
    for part in ("gain", "along", "off"):
        value, error = row[f"{part}_{axis}"], math.sqrt(max(row[f"{part}_{axis * 2}"], 0))
        bounds = interval(value - INTERVAL * error, value + INTERVAL * error, places)
        texts.append(("", "") if math.isnan(value) else (signed(value, places), bounds))
    return LedgerLine(protocol, _short(run, protocol), *texts)


def _sentence(run: Run, row: pd.Series) -> str:
    """Return whether the cell lies on the curve of plain guidance, as far as the run tells."""
    name = run.names[row["cell"]]
    if row["matched"] == "evaluations":
        return ""
    if math.isnan(row["p_holm"]):
        return f"{name}: {row['note'] or 'not known'}."
    if row["p_holm"] >= SETTLED:
        where = f"not told from plain guidance at {row['curve_scale']:.3g}"
        return f"{name} is {where} ({p_value(row['p_holm'])})."
    return f"{name} lies off the curve of plain guidance{_direction(run, row)} ({p_value(row['p_holm'])})."


def _direction(run: Run, row: pd.Series) -> str:
    """Return where the shift leads in each protocol that it is clear of 0 in."""
    words = []
    for axis in ("y", "x"):
        value, error = row[f"off_{axis}"], math.sqrt(max(row[f"off_{axis * 2}"], 0))
        if abs(value) > INTERVAL * error:
            words.append(f"{'lower' if value < 0 else 'higher'} {_short(run, row[f'{axis}_protocol'])}")
    return f", with a {' and a '.join(words)}" if words else ""


def _short(run: Run, protocol: str) -> str:
    """Return a protocol's label without its brackets."""
    return str(run.of_protocol(protocol)["label"].iloc[0]).split(" (")[0]


def _scale(value: float, error: float) -> tuple[str, str]:
    if math.isnan(value):
        return "not known", ""
    low, high = (f"{value + side * INTERVAL * error:.3g}" for side in (-1, 1))
    return f"{value:.3g}", "" if math.isnan(error) or low == high else f"{low} to {high}"


def _fitted(row: pd.Series) -> tuple[str, str]:
    scale, low, high = (row[f"curve_scale{end}"] for end in ("", "_low", "_high"))
    if row["matched"] == "evaluations":
        return "–", ""
    if math.isnan(scale):
        return "not known", ""
    return f"{scale:.3g}", f"{low:.3g} to {high:.3g}" if low < high else "end of the curve"
