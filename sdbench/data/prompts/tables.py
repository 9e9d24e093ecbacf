"""Prompts from files, in the order of lines or rows. Every error names the file and the line or row."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from sdbench.core.errors import InputError, did_you_mean, one_line
from sdbench.core.paths import existing_file

__all__ = ["checked", "from_columns", "from_json_lines", "from_lines", "from_parquet"]


def from_lines(text: str) -> list[str]:
    """Return one prompt per line of the text file at the path `text`; blank lines are skipped."""
    lines = _read(_existing(text)).split("\n")  # not splitlines: U+2028 and the like belong to a prompt
    return [line.strip() for line in lines if line.strip()]


def from_columns(text: str, column: str, *, tabs: bool) -> list[str]:
    """Return a column of a CSV file with a heading, or with `tabs` of a TSV file, whose quotes are text."""
    path = _existing(text)
    lines = io.StringIO(_read(path), newline="")
    if tabs:
        rows = csv.reader(lines, delimiter="\t", quoting=csv.QUOTE_NONE, strict=True)
    else:
        rows = csv.reader(lines, strict=True)
    try:
        heading = next(rows, [])
        place = _place(path, column, heading)
        texts = []
        for row in rows:
            if any(row):
                texts.append(_field(path, rows.line_num, row, place, len(heading), column))
    except csv.Error as error:
        raise InputError(f"prompts.path: {path}, line {rows.line_num}: not CSV: {one_line(error)}") from None
    return texts


def from_json_lines(text: str, key: str) -> list[str]:
    """Return the value of `key` in the JSON object of each line; blank lines are skipped."""
    path = _existing(text)

    def values() -> Iterator[tuple[str, object]]:
        for number, line in enumerate(_read(path).split("\n"), start=1):
            if line.strip():
                yield f"line {number}", _value(f"prompts.path: {path}, line {number}", line, key)

    return [checked(f"prompts.path: {path}, {where}", f"key {key!r}", value) for where, value in values()]


def from_parquet(text: str, column: str) -> list[str]:
    """Return a column of a Parquet file."""
    path = _existing(text)
    try:
        names = pq.read_schema(path).names
        _place(path, column, names)
        values = pq.read_table(path, columns=[column])[column].to_pylist()
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"prompts.path: {path} is not a Parquet file: {one_line(error)}") from None
    return [
        checked(f"prompts.path: {path}, row {row}", f"column {column!r}", value)
        for row, value in enumerate(values, start=1)
    ]


def checked(where: str, what: str, value: object) -> str:
    """Return `value` without surrounding whitespace.

    Raises:
        InputError: The value is not a usable prompt; the message starts with `where` and `what`.
    """
    if isinstance(value, str) and any("\ud800" <= character <= "\udfff" for character in value):
        raise InputError(f"{where}: {what} contains half a character (a lone surrogate); write it in full")
    if isinstance(value, str) and value.strip():
        return value.strip()
    is_empty = value is None or isinstance(value, str)
    problem = "is empty" if is_empty else f"is {type(value).__name__}, not text"
    raise InputError(f"{where}: {what} {problem}; every row needs a prompt: fill it in or delete the row")


def _existing(text: str) -> Path:
    return existing_file(text, "prompts.path")


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        line = path.read_bytes()[: error.start].count(b"\n") + 1
        raise InputError(f"prompts.path: {path}, line {line}: not UTF-8 text; save it as UTF-8") from None


def _place(path: Path, column: str, names: list[str]) -> int:
    if column not in names:
        raise InputError(f"prompts.path: {path} has no column {column!r}: {did_you_mean(column, names)}")
    return names.index(column)


def _field(path: Path, line: int, row: list[str], place: int, width: int, column: str) -> str:
    where = f"prompts.path: {path}, line {line}"
    if len(row) > width:
        raise InputError(f"{where}: {len(row)} fields under {width} headings; put text with commas in quotes")
    return checked(where, f"column {column!r}", row[place] if place < len(row) else None)


def _value(where: str, line: str, key: str) -> object:
    try:
        content = json.loads(line)
    except ValueError as error:
        raise InputError(f"{where}: not JSON: {one_line(error)}") from None
    if not isinstance(content, dict):
        raise InputError(f"{where}: not a JSON object such as {{{json.dumps(key)}: ...}}")
    if key not in content:
        raise InputError(f"{where}: no key {key!r}: {did_you_mean(key, content)}")
    return content[key]
