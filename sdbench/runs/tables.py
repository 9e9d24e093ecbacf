"""The tables of a run as files.

results.csv and results.parquet have a row per cell and protocol, images.parquet has a row per image; further
CSV files compare the cells and list flagged images. No table holds times, so two runs on one machine write
the same bytes.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

from reports.escaping import in_csv
from reports.result_row import ResultRow
from sdbench.runs.store import Store

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

__all__ = [
    "BestRow",
    "BestScaleRow",
    "CategoryComparisonRow",
    "CategoryRow",
    "ComparisonRow",
    "CurveRow",
    "DominanceRow",
    "FlaggedRow",
    "ProtocolRow",
    "RegionRow",
    "ResultRow",
    "VarianceRow",
    "write_images",
    "write_results",
    "write_rows",
]


@dataclass(frozen=True)
class ProtocolRow:
    """How a protocol's values are made, and which other values they are comparable with.

    `source` is the package, version and digest of a metric from outside, "" for built-in ones.
    """

    protocol: str
    version: int
    label: str
    better: str
    agrees_with: str
    resize: str
    quantisation: str
    extractor: str
    dimension: int
    notes: str
    source: str


@dataclass(frozen=True)
class ComparisonRow:
    """The difference a - b of two cells, named by their folders, over the n prompts that both have.

    `low` and `high` bound the 95% interval; `p_holm` is corrected for all pairs of the protocol; `detectable`
    is the true difference that a test at this n finds four times out of five. If a value is missing, the note
    says why.
    """

    protocol: str
    a: str
    b: str
    difference: float | None
    standard_error: float | None
    low: float | None
    high: float | None
    p_value: float | None
    p_holm: float | None
    detectable: float | None
    n: int
    note: str


@dataclass(frozen=True)
class BestRow:
    """How surely a cell is not the best one by a protocol, over n prompts that all cells have.

    `p_best` is the p-value of "no other cell is better", corrected for all cells; `needed` is the number of
    images a cell that would tell it from the leader, as in CurveRow, empty for the leader itself.
    """

    protocol: str
    cell: str
    p_best: float
    needed: float | None
    needed_low: float | None
    needed_high: float | None
    n: int


@dataclass(frozen=True)
class CurveRow:
    """The difference a - b of two curves: of their means over common scales, or at each one's best scale;
    `p_holm` is corrected for the pairs of the protocol; `needed` is the number of images a cell that would
    settle the pair four times out of five if the true difference is the measured one, and `needed_low` to
    `needed_high` the 80% interval of that number.
    """

    protocol: str
    a: str
    b: str
    difference: float
    standard_error: float | None
    low: float | None
    high: float | None
    p_value: float | None
    p_holm: float | None
    needed: float | None
    needed_low: float | None
    needed_high: float | None
    scales: int
    n: int
    note: str


@dataclass(frozen=True)
class BestScaleRow:
    """The guidance scale at which a curve is best by a protocol, its 95% interval, and the value there."""

    protocol: str
    curve: str
    scale: float
    low: float
    high: float
    value: float
    standard_error: float | None
    scales: int
    n: int
    note: str


@dataclass(frozen=True)
class RegionRow:
    """A cell's confidence region in the plane; the regions of all cells hold together with 95% confidence.

    It is the ellipse (p - c)' S^-1 (p - c) <= radius^2 with c = (x, y), S = [[xx, xy], [xy, yy]].
    """

    cell: str
    x_protocol: str
    y_protocol: str
    x: float
    y: float
    xx: float
    xy: float
    yy: float
    radius: float


@dataclass(frozen=True)
class DominanceRow:
    """The probability that curve a is ahead of every cell of curve b, over n prompts that all have."""

    a: str
    b: str
    probability: float
    n: int


@dataclass(frozen=True)
class FlaggedRow:
    """An image that the audit flagged, by its prompt's id or file name; `like`: the one that it repeats."""

    cell: str
    image: str
    flags: str
    like: str


@dataclass(frozen=True)
class CategoryRow:
    """A protocol's value over the n images of a cell whose prompts have this category in the column `by`.

    The intervals `low` to `high` of the cell's categories hold together with 95% confidence.
    """

    cell: str
    protocol: str
    by: str
    category: str
    value: float
    standard_error: float | None
    low: float | None
    high: float | None
    n: int
    note: str


@dataclass(frozen=True)
class CategoryComparisonRow:
    """The difference a - b of two cells over the n images of a category that both have.

    `low` and `high` bound the 95% interval; `p_holm` is corrected for all pairs and categories of the
    protocol and the column `by`.
    """

    protocol: str
    by: str
    category: str
    a: str
    b: str
    difference: float
    standard_error: float | None
    low: float | None
    high: float | None
    p_value: float | None
    p_holm: float | None
    n: int
    note: str


@dataclass(frozen=True)
class VarianceRow:
    """How much of a cell's variance by a protocol is prompts, how much is noise, and what more would bring.

    `share_noise` is 1 - `share_prompts`; both are None if nothing varies. The standard errors follow from the
    two parts: of this run, of repeating it with the same prompts, of twice the prompts, and of twice the
    images of each prompt.
    """

    cell: str
    protocol: str
    prompts: int
    images: int
    share_prompts: float | None
    share_noise: float | None
    standard_error: float
    with_same_prompts: float
    with_twice_prompts: float
    with_twice_images: float


_TYPES = {
    "str": pa.string(),
    "int": pa.int64(),
    "int | None": pa.int64(),
    "float": pa.float64(),
    "float | None": pa.float64(),
}


def write_results(store: Store, rows: Sequence[ResultRow]) -> None:
    """Write results.csv and results.parquet."""
    write_rows(store, "results.csv", ResultRow, rows)
    schema = pa.schema([(field.name, _TYPES[str(field.type)]) for field in fields(ResultRow)])
    sink = io.BytesIO()
    pq.write_table(pa.Table.from_pylist([asdict(row) for row in rows], schema=schema), sink)
    store.write("results.parquet", sink.getvalue())


def write_images(store: Store, images: pa.Table) -> None:
    """Write images.parquet, a row per image and cell."""
    sink = io.BytesIO()
    pq.write_table(images, sink, compression="zstd")
    store.write("images.parquet", sink.getvalue())


def write_rows(
    store: Store, name: str, kind: type[DataclassInstance], rows: Sequence[DataclassInstance]
) -> None:
    """Write rows of one kind as CSV; only the header if there are no rows.

    Floats have nine digits; a missing value is an empty field.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([field.name for field in fields(kind)])
    writer.writerows([_cell(value) for value in asdict(row).values()] for row in rows)
    store.write(name, text.getvalue().encode("utf-8"))


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return in_csv(value)
    return f"{value:.9g}" if isinstance(value, float) else str(value)
