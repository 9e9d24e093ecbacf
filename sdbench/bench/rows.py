"""A measured figure, and how a table of them is printed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sdbench.bench.clock import Timing

__all__ = ["Row", "rows_of", "table"]


@dataclass(frozen=True)
class Row:
    """One work: median seconds per item (an image, a distance, a file), and how it compares.

    ratio: how many times as fast as `against`, 1 for itself. peak_bytes: of the device's memory beyond what
    was held before, such as other models; None where nothing counts it. note: what else was found, such as
    the difference of the outputs.
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
    """A row for each work that did `items` items; ratios are to the work `against`, "" for none."""
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
    """The rows as text, a heading wherever another thing is measured."""
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
