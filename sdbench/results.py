"""The results table: a row per cell and protocol, as results.csv and results.parquet; and flagged.csv, which
names the images that the audit flagged.

They hold no times, so two runs on one machine write the same bytes.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields

import pyarrow as pa
import pyarrow.parquet as pq

from sdbench.store import LocalStore

__all__ = ["FlaggedRow", "ResultRow", "write_flagged", "write_results"]


@dataclass(frozen=True)
class ResultRow:
    """One figure with everything that it depends on. The order of the fields is that of the columns.

    None and "" stand for what is not known of images that others made.
    """

    checkpoint: str
    sampler: str
    steps: int | None
    eta: float | None
    guidance_scale: float | None
    protocol: str
    label: str
    better: str
    value: float
    standard_error: float | None
    note: str
    n: int
    flagged: int
    nfe: int | None
    image_size: str
    seed: int | None
    precision: str
    batch_size: str
    device: str
    weights_digest: str
    spec_digest: str
    versions: str


@dataclass(frozen=True)
class FlaggedRow:
    """An image that the audit flagged, by its prompt's id or its name; `like`: the one that it repeats."""

    cell: str
    image: str
    flags: str
    like: str


_TYPES = {
    "str": pa.string(),
    "int": pa.int64(),
    "int | None": pa.int64(),
    "float": pa.float64(),
    "float | None": pa.float64(),
}


def write_results(store: LocalStore, rows: Sequence[ResultRow]) -> None:
    """Write both files; floats stand in the CSV with nine digits, what is missing is an empty field."""
    store.write("results.csv", _csv(ResultRow, rows))
    schema = pa.schema([(field.name, _TYPES[str(field.type)]) for field in fields(ResultRow)])
    sink = io.BytesIO()
    pq.write_table(pa.Table.from_pylist([asdict(row) for row in rows], schema=schema), sink)
    store.write("results.parquet", sink.getvalue())


def write_flagged(store: LocalStore, rows: Sequence[FlaggedRow]) -> None:
    """Write flagged.csv, with its heading alone where no image is flagged."""
    store.write("flagged.csv", _csv(FlaggedRow, rows))


def _csv(kind: type[ResultRow | FlaggedRow], rows: Sequence[ResultRow | FlaggedRow]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([field.name for field in fields(kind)])
    writer.writerows([_cell(value) for value in asdict(row).values()] for row in rows)
    return text.getvalue().encode("utf-8")


def _cell(value: object) -> str:
    if value is None:
        return ""
    return f"{value:.9g}" if isinstance(value, float) else str(value)
