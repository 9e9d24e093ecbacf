"""Which differences are settled: all pairs as a matrix, and the best cell against every other."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from reports.charts import Chart, matrix_chart
from reports.runs import Run
from reports.sections._embedded import embedded
from reports.sections._section import Absent, Material, Section
from reports.standing import SETTLED, Standing, standing
from reports.wording import count, interval, number, p_value, probability, signed

__all__ = ["comparisons"]

_TITLE = "Which differences are settled"
#: Most fields of all matrices together, to limit the size of the page.
_FIELDS = 40_000


@dataclass(frozen=True)
class Rival:
    """A cell compared with the best one."""

    name: str
    value: str
    difference: str
    interval: str
    p: str
    settled: bool


@dataclass(frozen=True)
class ProtocolPairs:
    """One protocol's pairs; ``chart`` is None if the matrices before it took the room.

    ``cells`` are (folder, name), curve by curve, as the matrix and its lists show them.
    """

    protocol: str
    label: str
    summary: str
    best: str
    value: str
    places: int
    cells: list[tuple[str, str]]
    folders: list[str]
    rivals: list[Rival]
    chart: Chart | None


def comparisons(material: Material) -> Section | Absent:
    """Return each protocol's matrix and table, and which curve is ahead; absent without comparisons.csv."""
    run = material.run
    if run.comparisons is None:
        return Absent(_TITLE, "comparisons.csv is missing: sdbench score writes it")
    if run.comparisons.empty:
        return Absent(
            _TITLE, "comparisons.csv holds no pairs: the run has one cell, or no values with errors"
        )
    room, made = _FIELDS, []
    for protocol, pairs in run.comparisons.groupby("protocol", sort=False):
        room -= len(run.cells) ** 2
        made.append(_protocol_pairs(run, str(protocol), pairs, room >= 0))
    choices = [(one.protocol, one.label) for one in made]
    first = standing(run, str(run.first("lower") or run.first("higher")))
    return Section(
        _TITLE,
        {
            "comparisons": made,
            "choices": choices,
            "dominance": _dominance(run),
            "first": first.best["cell"],
            "second": first.rivals["cell"].iloc[0],
            "file": embedded(run, "comparisons.csv"),
        },
    )


def _protocol_pairs(run: Run, protocol: str, pairs: pd.DataFrame, with_chart: bool) -> ProtocolPairs:
    stand = standing(run, protocol)
    ordered = _curve_by_curve(stand)
    folders = ordered["cell"].tolist()
    return ProtocolPairs(
        protocol,
        stand.label,
        _summary(pairs, stand.places),
        str(stand.best["name"]),
        number(stand.best["value"], stand.places),
        stand.places,
        list(zip(folders, ordered["short"], strict=True)),
        folders,
        [_rival(rival, stand) for rival in stand.rivals.to_dict("records")],
        matrix_chart(pairs, ordered, stand.lower_is_better) if with_chart else None,
    )


def _curve_by_curve(stand: Standing) -> pd.DataFrame:
    """Return the cells of a protocol, the curve with the best cell first, each by its guidance scale."""
    ranked = pd.concat([stand.best.to_frame().T, stand.rivals])
    places = {curve: place for place, curve in enumerate(dict.fromkeys(ranked["curve"]))}
    return (
        ranked.assign(place=ranked["curve"].map(places))
        .sort_values(["place", "guidance_scale"], kind="stable")
        .reset_index(drop=True)
    )


def _rival(rival: Mapping[Hashable, Any], stand: Standing) -> Rival:
    return Rival(
        rival["short"],
        number(rival["value"], stand.places),
        signed(rival["difference"], stand.places),
        interval(rival["low"], rival["high"], stand.places),
        p_value(rival["p_best"]).removeprefix("p = ").removeprefix("p "),
        bool(rival["settled"]),
    )


def _summary(pairs: pd.DataFrame, places: int) -> str:
    settled = int((pairs["p_holm"] < SETTLED).sum())
    text = f"{count(settled)} of {count(len(pairs))} pairs are settled: corrected p-values below {SETTLED:g}."
    if pairs["detectable"].notna().any():
        typical = float(pairs["detectable"].median())
        text += (
            f" A single test of a typical pair would find a true difference of {number(typical, places)} "
            "four times out of five."
        )
    notes = [note for note in dict.fromkeys(pairs["note"]) if note]
    return " ".join([text, *(f"Note: {note}." for note in notes[:2])])


def _dominance(run: Run) -> tuple[list[str], list[tuple[str, list[str]]]] | None:
    """Return the curves, and a row of probabilities for each, "" on the diagonal."""
    if run.dominance is None or run.dominance.empty:
        return None
    table = run.dominance.pivot(index="a", columns="b", values="probability")
    curves = [str(name) for name in dict.fromkeys(run.dominance["a"])]
    rows = []
    for a in curves:
        values = [table.loc[a].get(b) if a != b else None for b in curves]
        rows.append((a, ["" if value is None or pd.isna(value) else probability(value) for value in values]))
    return curves, rows
