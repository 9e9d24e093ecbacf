"""The reader of text that comes with images: lines, CSV, JSON, and the fields of their rows.

Prompt files and files that pair images with prompts are read here alike, from a disk or from an archive. Each
row knows its file and line, and each function raises InputError with them for what it cannot read.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sdbench.core.errors import InputError, did_you_mean, encodable, one_line
from sdbench.core.json import load_json

__all__ = ["Row", "csv_rows", "decoded", "json_rows", "lines", "parsed_json", "place_of", "usable"]


@dataclass(frozen=True)
class Row:
    """A row's values by column or key; `where` names its file and line, `kind` what its keys are called."""

    where: str
    values: Mapping[str, object]
    kind: str = "column"

    def text(self, *keys: str) -> str:
        """The usable text under the first of `keys` that the row has."""
        key = next((key for key in keys if key in self.values), None)
        if key is None:
            raise InputError(_lacks(self.where, self.kind, keys, list(self.values)))
        return usable(self.where, f"{self.kind} {key!r}", self.values[key])


def usable(where: str, what: str, value: object) -> str:
    """Return `value` without surrounding whitespace.

    Raises:
        InputError: The value is not a usable text; the message starts with `where` and `what`.
    """
    if isinstance(value, str):
        if encodable(value) != value:
            half = "half a character (a lone surrogate); write it in full"
            raise InputError(f"{where}: {what} contains {half}")
        if "\0" in value:
            raise InputError(f"{where}: {what} contains a NUL character; delete it")
        if value.strip():
            return value.strip()
    is_empty = value is None or isinstance(value, str)
    problem = "is empty" if is_empty else f"is {type(value).__name__}, not text"
    raise InputError(f"{where}: {what} {problem}; fill it in or remove the row")


def decoded(blob: bytes, where: str) -> str:
    """A file's text, with line breaks as \\n."""
    try:
        text = blob.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = blob[: error.start].count(b"\n") + 1
        raise InputError(f"{where}, line {line}: not UTF-8 text; save it as UTF-8") from None
    if "\0" in text:
        line = text[: text.index("\0")].count("\n") + 1
        raise InputError(f"{where}, line {line}: a NUL character, as in UTF-16 text; save it as UTF-8")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def lines(blob: bytes, where: str) -> Iterator[tuple[str, str]]:
    """Yield (place, line) of the lines that are not blank. U+2028 and the like belong to a line."""
    for number, line in enumerate(decoded(blob, where).split("\n"), start=1):
        if line.strip():
            yield f"{where}, line {number}", line


def csv_rows(blob: bytes, where: str, *wanted: Sequence[str], tabs: bool = False) -> Iterator[Row]:
    """Yield the rows of a CSV file with a heading, or with `tabs` of a TSV file, whose quotes are text.

    The heading needs one of each group of `wanted` columns. Rows whose fields are all empty are skipped.
    """
    stream = io.StringIO(decoded(blob, where), newline="")
    if tabs:
        rows = csv.reader(stream, delimiter="\t", quoting=csv.QUOTE_NONE, strict=True)
    else:
        rows = csv.reader(stream, strict=True)
    start = 1
    try:
        heading = [name.strip() for name in next(rows, [])]
        for columns in wanted:
            place_of(where, heading, *columns)
        start = rows.line_num + 1
        for fields in rows:
            if any(fields):
                yield _row(f"{where}, line {rows.line_num}", heading, fields)
            start = rows.line_num + 1
    except csv.Error as error:
        hint = "; is a quote not closed?" if '"' in stream.getvalue() and not tabs else ""
        raise InputError(f"{where}, line {start}: not CSV: {one_line(error)}{hint}") from None


def json_rows(blob: bytes, where: str, key: str) -> Iterator[Row]:
    """Yield the JSON object of each line; the message for another line shows an object with `key`."""
    for place, line in lines(blob, where):
        content = parsed_json(line, place)
        if not isinstance(content, dict):
            raise InputError(f"{place}: not a JSON object such as {{{json.dumps(key)}: ...}}")
        yield Row(place, content, "key")


def parsed_json(text: str, where: str) -> Any:
    """The value of a JSON text, in which no object has a key twice."""
    try:
        return load_json(text, _each_once)
    except ValueError as error:
        raise InputError(f"{where}: not JSON: {one_line(error)}") from None


def place_of(where: str, names: Sequence[str], *columns: str) -> int:
    """The place of the first of `columns` that `names` has; the column must be there once."""
    column = next((column for column in columns if column in names), None)
    if column is None:
        raise InputError(_lacks(where, "column", columns, names))
    if names.count(column) > 1:
        raise InputError(f"{where} has {names.count(column)} columns {column!r}: rename all but one")
    return names.index(column)


def _row(where: str, heading: Sequence[str], fields: Sequence[str]) -> Row:
    if len(fields) > len(heading):
        raise InputError(
            f"{where}: {len(fields)} fields under {len(heading)} headings; put text with commas in quotes"
        )
    values: dict[str, object] = dict.fromkeys(heading)
    values.update(zip(heading, fields, strict=False))
    return Row(where, values)


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        again = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the key {again!r} is given twice")
    return found


def _lacks(where: str, kind: str, keys: Sequence[str], names: Sequence[str]) -> str:
    return f"{where} has no {kind} {' or '.join(map(repr, keys))}: {did_you_mean(keys[0], names)}"
