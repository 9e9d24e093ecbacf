"""The results of a run as plain text that fits into a terminal: values, answer, warnings."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence

from reports.answer import answer
from reports.runs import Run
from reports.value_tables import ValueTable, value_tables
from reports.wording import count, cut_middle

__all__ = ["text_summary"]

_GAP = 2
_SHORTEST = 12
"""To how many letters names are cut where several columns do not fit."""


def text_summary(run: Run, width: int) -> list[str]:
    """Return lines of at most ``width`` letters: a table per metric, the answer in sentences, warnings.

    Tables have a row per guidance scale and a column per curve, and are broken into several if they are too
    wide. Raises ReportError for damaged tables.
    """
    lines: list[str] = []
    tables = value_tables(run)
    for table in tables:
        lines += _wrapped(f"{table.label}: {table.better} is better, * is the best", width)
        lines += _columns(table, width)
    for sentence in answer(run).sentences:
        lines += [*_wrapped(sentence, width), ""]
    for warning in _warnings(run, tables):
        lines += _wrapped(f"! {warning}", width)
    return lines


def _columns(table: ValueTable, width: int) -> list[str]:
    """Return the values, a column per curve, in as many blocks as it takes."""
    scales = ["scale", *(f"{scale:g}" for scale in table.scales)]
    first = max(map(len, scales))
    columns = []
    for place, (curve, texts) in enumerate(table.rows):
        marked = [f"{text}{'*' if (place, at) == table.best else ' '}" for at, text in enumerate(texts)]
        room = max(_SHORTEST, *map(len, marked), (width - first) // 2 - _GAP)
        columns.append([f"{cut_middle(curve, room)} ", *marked])
    lines: list[str] = []
    for block in _blocks(columns, width - first):
        widths = [max(map(len, column)) for column in block]
        for row, scale in enumerate(scales):
            cells = [column[row].rjust(size + _GAP) for column, size in zip(block, widths, strict=True)]
            lines.append(f"{scale:>{first}}{''.join(cells)}".rstrip())
        lines.append("")
    return lines


def _blocks(columns: Sequence[list[str]], room: int) -> Iterable[list[list[str]]]:
    block: list[list[str]] = []
    used = 0
    for column in columns:
        size = max(map(len, column)) + _GAP
        if block and used + size > room:
            yield block
            block, used = [], 0
        block.append(column)
        used += size
    yield block


def _warnings(run: Run, tables: Sequence[ValueTable]) -> list[str]:
    """Return what a reader must know: values without errors, and flagged images."""
    found = [f"{table.label}: {table.unknown_errors}" for table in tables if table.unknown_errors]
    cells = run.results.drop_duplicates("cell")
    flagged = int(cells["flagged"].fillna(0).sum())
    if flagged:
        found.append(
            f"{count(flagged)} of {count(cells['n'].sum())} images are flagged and included; flagged.csv "
            "names them"
        )
    return found


def _wrapped(text: str, width: int) -> list[str]:
    return textwrap.wrap(text, width, break_long_words=False, break_on_hyphens=False)
