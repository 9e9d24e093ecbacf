"""The difference between two runs as text and as a page, from plain values."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np
import pandas as pd

from reports.html import template_environment
from reports.wording import count, decimals, interval, number, p_value, signed

__all__ = ["diff_page", "diff_text"]

#: Longer texts, such as digests and lists, lose their middle.
_LONGEST = 60


@dataclass(frozen=True)
class _Protocol:
    """One protocol's values of all cells as text, and a sentence that sums them up."""

    name: str
    label: str
    direction: str
    sentence: str
    rows: tuple[tuple[str, ...], ...]
    better: tuple[str, ...]
    notes: tuple[str, ...]


_HEAD = ("cell", "A", "B", "B − A", "95% interval", "p (Holm)")


def diff_text(difference: Mapping[str, Any]) -> str:
    """Return the difference as text with aligned tables."""
    lines = [f"A: {difference['a']}", f"B: {difference['b']}", ""]
    for title, changes in _changes(difference):
        lines += [title, *_aligned([(f"  {change[0]}", *change[1:]) for change in changes], right=()), ""]
    lines += [f"Images: {_images(difference)}", ""]
    for protocol in _protocols(difference):
        lines += [f"{protocol.label}: {protocol.name}, {protocol.direction}", f"  {protocol.sentence}"]
        table = [(f"  {row[0]}", *row[1:]) for row in (_HEAD, *protocol.rows)]
        lines += [*_aligned(table, right=(1, 2, 3, 5)), *(f"  note: {note}" for note in protocol.notes), ""]
    lines += _unmatched(difference)
    return "\n".join(lines).rstrip() + "\n"


def diff_page(difference: Mapping[str, Any]) -> str:
    """Return the difference as an HTML page that needs no other file."""
    return (
        template_environment()
        .get_template("diff.html.j2")
        .render(
            a=difference["a"],
            b=difference["b"],
            changes=_changes(difference),
            images=_images(difference),
            protocols=list(_protocols(difference)),
            head=_HEAD,
            unmatched=_unmatched(difference),
        )
    )


def _changes(difference: Mapping[str, Any]) -> list[tuple[str, list[tuple[str, str, str]]]]:
    """Return titles for spec and environment, each with its changed keys."""
    parts = []
    for key, title in (("spec", "Spec"), ("environment", "Environment")):
        changes = [(one["key"], _short(one["a"]), _short(one["b"])) for one in difference[key]]
        heads = [("key", "A", "B")] if changes else []
        parts.append((f"{title}: {_differ(len(changes))}", [*heads, *changes]))
    return parts


def _differ(keys: int) -> str:
    if not keys:
        return "the same"
    return "1 key differs" if keys == 1 else f"{keys} keys differ"


def _images(difference: Mapping[str, Any]) -> str:
    common, same = difference["common_images"], difference["same_images"]
    if common is None:
        return "not compared, a run has no images.parquet"
    if not common:
        return "the runs share no prompt of a common cell"
    return f"{count(same)} of the {count(common)} common images are the same bit for bit"


def _protocols(difference: Mapping[str, Any]) -> Iterator[_Protocol]:
    for name, group in groupby(difference["values"], key=lambda change: change["protocol"]):
        changes = list(group)
        places = decimals(
            pd.DataFrame({"value": [one["a"] for one in changes], "standard_error": _errors(changes)})
        )
        yield _Protocol(
            name=name,
            label=changes[0]["label"],
            direction="lower is better" if changes[0]["lower_is_better"] else "higher is better",
            sentence=_sentence(changes),
            rows=tuple(_row(change, places) for change in changes),
            better=tuple(change["better"] for change in changes),
            notes=tuple(dict.fromkeys(change["note"] for change in changes if change["note"])),
        )


def _errors(changes: Sequence[Mapping[str, Any]]) -> list[float]:
    return [np.nan if change["a_error"] is None else change["a_error"] for change in changes]


def _sentence(changes: Sequence[Mapping[str, Any]]) -> str:
    if all(change["a"] == change["b"] for change in changes):
        return f"the same in all {len(changes)} cells" if len(changes) > 1 else "the same"
    found = Counter(change["better"] for change in changes)
    paired = sum(change["paired"] for change in changes)
    how = {len(changes): "paired prompt by prompt", 0: "not paired"}.get(paired, f"{paired} paired")
    return (
        f"B is better in {found['b']} of {len(changes)} cells and worse in {found['a']}, "
        f"{found['']} are not settled (5%, Holm over the cells; {how})"
    )


def _row(change: Mapping[str, Any], places: int) -> tuple[str, ...]:
    ends = [np.nan if change[name] is None else change[name] for name in ("low", "high", "p_holm")]
    return (
        change["cell"],
        number(change["a"], places),
        number(change["b"], places),
        signed(change["difference"], places),
        interval(ends[0], ends[1], places) or "not known",
        p_value(ends[2]).removeprefix("p = ").removeprefix("p "),
    )


def _unmatched(difference: Mapping[str, Any]) -> list[str]:
    lines = [
        f"Only in {run.upper()}: {', '.join(difference[f'only_{run}'])}"
        for run in "ab"
        if difference[f"only_{run}"]
    ]
    return lines if difference["values"] else [*lines, "The runs have no cell with a protocol in common."]


def _aligned(rows: Sequence[Sequence[str]], right: Sequence[int]) -> list[str]:
    """Return rows as lines, columns two blanks apart; the columns ``right`` are aligned to the right."""
    if not rows:
        return []
    widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))]
    return [
        "  ".join(
            cell.rjust(width) if place in right else cell.ljust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


def _short(text: str) -> str:
    half = (_LONGEST - 1) // 2
    return text if len(text) <= _LONGEST else f"{text[:half]}…{text[-half:]}"
