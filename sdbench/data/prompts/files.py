"""Prompts from files, in the order of lines or rows. Every error names the file and the line or row."""

from __future__ import annotations

from pathlib import Path

from sdbench.core.errors import InputError, one_line
from sdbench.core.paths import existing_file
from sdbench.data.rows import csv_rows, json_rows, lines, place_of, usable

__all__ = ["from_columns", "from_json_lines", "from_lines", "from_parquet"]


def from_lines(text: str) -> list[str]:
    """Return one prompt per line of the text file at the path `text`; blank lines are skipped."""
    path, where = _file(text)
    return [usable(place, "the line", line) for place, line in lines(path.read_bytes(), where)]


def from_columns(text: str, column: str, *, tabs: bool) -> list[str]:
    """Return a column of a CSV file with a heading, or with `tabs` of a TSV file, whose quotes are text."""
    path, where = _file(text)
    return [row.text(column) for row in csv_rows(path.read_bytes(), where, [column], tabs=tabs)]


def from_json_lines(text: str, key: str) -> list[str]:
    """Return the value of `key` in the JSON object of each line; blank lines are skipped."""
    path, where = _file(text)
    return [row.text(key) for row in json_rows(path.read_bytes(), where, key)]


def from_parquet(text: str, column: str) -> list[str]:
    """Return a column of a Parquet file."""
    import pyarrow as pa  # here, since `status` needs none of it
    import pyarrow.parquet as pq

    path, where = _file(text)
    try:
        place_of(where, pq.read_schema(path).names, column)
        values = pq.read_table(path, columns=[column])[column].to_pylist()
    except (pa.ArrowException, OSError, ValueError) as error:
        raise InputError(f"{where} is not a Parquet file: {one_line(error)}") from None
    what = f"column {column!r}"
    return [usable(f"{where}, row {row}", what, value) for row, value in enumerate(values, start=1)]


def _file(text: str) -> tuple[Path, str]:
    path = existing_file(text, "prompts.path")
    return path, f"prompts.path: {path}"
