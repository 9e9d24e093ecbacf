"""The sample audit: images that are black, of one colour, repeated or broken."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from reports.runs import Run
from reports.sections._section import Absent, Material, Section
from reports.wording import count

__all__ = ["audit"]

_TITLE = "Sample audit"
#: Most images that the page lists.
_LISTED = 60


@dataclass(frozen=True)
class FlaggedImage:
    """One flagged image; ``original`` is its address relative to the page, "" if it was not kept."""

    cell: str
    image: str
    flags: str
    like: str
    original: str


def audit(material: Material) -> Section | Absent:
    """Return the counts of each flag by cell, and the first images; absent without flagged.csv."""
    run = material.run
    if run.flagged is None:
        return Absent(_TITLE, "flagged.csv is missing: sdbench score writes it")
    flagged = run.flagged[run.flagged["cell"].isin(run.names)]
    total = count(run.results.drop_duplicates("cell")["n"].sum())
    rows = flagged.head(_LISTED).to_dict("records")
    return Section(
        _TITLE,
        {
            "total": total,
            "flagged": count(len(flagged)),
            "counts": _counts(run, flagged),
            "images": [_image(material, row) for row in rows],
            "more": len(flagged) - len(rows),
        },
    )


def _counts(run: Run, flagged: pd.DataFrame) -> tuple[list[str], list[tuple[str, list[str]]]]:
    """Return the kinds of flags, and the counts of each cell that has any."""
    single = flagged.assign(flag=flagged["flags"].str.split(",")).explode("flag")
    table = single.groupby(["cell", single["flag"].str.strip()], sort=False).size().unstack(fill_value=0)
    kinds = sorted(map(str, table.columns))
    counts = {
        str(cell): [count(number) for number in row]
        for cell, row in zip(table.index, table[kinds].to_numpy(), strict=True)
    }
    return kinds, [(name, counts[cell]) for cell, name in run.names.items() if cell in counts]


def _image(material: Material, row: Mapping[Hashable, Any]) -> FlaggedImage:
    run, cell, image = material.run, str(row["cell"]), str(row["image"])
    original = material.album.original(cell, image) if run.image(cell, image).is_file() else ""
    return FlaggedImage(run.names[cell], image, str(row["flags"]), str(row["like"]), original)
