"""The results table: a row per cell and protocol, as results.csv and results.parquet.

It holds no times, so two runs on one machine write the same bytes.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields

import pyarrow as pa
import pyarrow.parquet as pq

from sdbench.store import LocalStore

__all__ = ["ResultRow", "write_results"]


@dataclass(frozen=True)
class ResultRow:
    """One figure with everything that it depends on. The order of the fields is that of the columns."""

    checkpoint: str
    sampler: str
    steps: int
    eta: float
    guidance_scale: float
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
    seed: int
    precision: str
    batch_size: str
    device: str
    weights_digest: str
    spec_digest: str
    versions: str


_TYPES = {
    "str": pa.string(),
    "int": pa.int64(),
    "int | None": pa.int64(),
    "float": pa.float64(),
    "float | None": pa.float64(),
}


def write_results(store: LocalStore, rows: Sequence[ResultRow]) -> None:
    """Write both files; floats stand in the CSV with nine digits, what is missing is an empty field."""
    names = [field.name for field in fields(ResultRow)]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(names)
    writer.writerows([_cell(value) for value in asdict(row).values()] for row in rows)
    store.write("results.csv", text.getvalue().encode("utf-8"))

    schema = pa.schema([(field.name, _TYPES[str(field.type)]) for field in fields(ResultRow)])
    sink = io.BytesIO()
    pq.write_table(pa.Table.from_pylist([asdict(row) for row in rows], schema=schema), sink)
    store.write("results.parquet", sink.getvalue())


def _cell(value: object) -> str:
    if value is None:
        return ""
    return f"{value:.9g}" if isinstance(value, float) else str(value)
