"""Rows of the benchmark's tables, and how they are printed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sdbench.tools.bench.clock import Timing

__all__ = ["Row", "rows_of", "table"]


@dataclass(frozen=True)
class Row:
    """The result of one workload.

    Attributes:
        what: Heading under which the row is printed.
        name: The workload.
        item: What is counted: an image, a distance, a file.
        seconds: Median seconds per item.
        against: The workload that `ratio` compares with.
        ratio: How many times as fast as `against`.
        peak_bytes: Device memory used on top of what was held before, such as other models; None if unknown.
        note: Further findings, such as the difference of the outputs.
    """

    what: str
    name: str
    item: str
    seconds: float
    against: str = ""
    ratio: float | None = None
    peak_bytes: int | None = None
    note: str = ""


def rows_of(
    what: str,
    item: str,
    items: int,
    timings: Mapping[str, Timing],
    *,
    against: str,
    notes: Mapping[str, str] | None = None,
) -> list[Row]:
    """Return a row per workload of `items` items, with ratios to the one named `against` ("" for none)."""
    base = timings[against].median if against else None
    return [
        Row(
            what,
            name,
            item,
            timing.median / items,
            against,
            None if base is None else base / timing.median,
            timing.peak_bytes,
            (notes or {}).get(name, ""),
        )
        for name, timing in timings.items()
    ]


def table(rows: Iterable[Row]) -> str:
    """Return the rows as text, under a heading for each thing measured."""
    lines: list[str] = []
    before = ""
    for row in rows:
        if row.what != before:
            lines += ["", row.what]
            before = row.what
        speed = f"{row.seconds * 1e3:10.2f} ms/{row.item}"
        ratio = "" if row.ratio is None else f"{row.ratio:7.2f} x {row.against}"
        peak = "" if row.peak_bytes is None else f"  peak {row.peak_bytes / 2**30:.2f} GiB"
        lines.append(
            f"  {row.name:<34}{speed:<22}{ratio}{peak}{'  ' + row.note if row.note else ''}".rstrip()
        )
    return "\n".join(lines).strip("\n")
