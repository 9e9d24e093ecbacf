"""What the audit of metrics prints and writes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from reports.fault_map import Smallest, fault_png, fault_table
from sdbench.core.files import write_whole
from sdbench.tools.faults.audit import SIZES, FaultRow
from sdbench.tools.faults.doses import FAULTS

__all__ = ["table", "write"]

_LEGEND = (
    "Smallest dose that is told from none. +: the fault improves the metric; ±: some told doses improve it, "
    "others do not; none: no dose is told; —: sdbench gives no error at this n."
)


def table(rows: Sequence[FaultRow]) -> str:
    """Return the smallest doses as text, a table for each of SIZES."""
    metrics, faults = _names(rows)
    units = "; ".join(f"{name} {FAULTS[name].unit}" for name in faults)
    return f"{fault_table(metrics, faults, _found(rows))}\n\n{_LEGEND}\nUnits: {units}"


def write(folder: Path, rows: Sequence[FaultRow]) -> None:
    """Write faults.csv and faults.json with a row per metric, fault and dose, and the heat map faults.png."""
    import pandas as pd

    folder.mkdir(parents=True, exist_ok=True)
    records = [asdict(row) for row in rows]
    metrics, faults = _names(rows)
    doses = max(len(FAULTS[name].doses) for name in faults)
    write_whole(folder / "faults.csv", pd.DataFrame(records).to_csv(index=False).encode())
    write_whole(folder / "faults.json", (json.dumps(records, indent=2) + "\n").encode())
    write_whole(folder / "faults.png", fault_png(metrics, faults, doses, _found(rows)))


def _names(rows: Sequence[FaultRow]) -> tuple[list[str], list[str]]:
    return list(dict.fromkeys(row.metric for row in rows)), list(dict.fromkeys(row.fault for row in rows))


def _found(rows: Sequence[FaultRow]) -> dict[int, Smallest]:
    groups: dict[tuple[str, str], list[FaultRow]] = {}
    for row in rows:
        groups.setdefault((row.metric, row.fault), []).append(row)
    return {
        size: {key: _smallest(group, place) for key, group in groups.items()}
        for place, size in enumerate(SIZES)
    }


def _smallest(rows: Sequence[FaultRow], place: int) -> tuple[str, int | None, bool]:
    """Return the smallest dose told at SIZES[place] as text, its rank, and whether a told one improves."""
    powers = [(row.power_64, row.power_512, row.power_4096)[place] for row in rows]
    if all(power is None for power in powers):
        return "—", None, False
    rank = next((rank for rank, row in enumerate(rows) if row.told[place]), None)
    if rank is None:
        return "none", None, False
    directions = {row.improves for row in rows if row.told[place]}
    sign = "" if directions == {False} else "+" if directions == {True} else "±"
    return f"{rows[rank].dose:g}{sign}", rank, bool(sign)
