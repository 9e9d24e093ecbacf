"""The guidance ledger: ways of guiding against the curve of plain guidance scales."""

from __future__ import annotations

from reports.ledger import ledger_entries
from reports.plots.ledger import guidance_ledger
from reports.sections._embedded import embedded
from reports.sections._section import Absent, Material, Section
from reports.sections._still import still

__all__ = ["ledger"]

_TITLE = "What ways of guiding gain"


def ledger(material: Material) -> Section | Absent:
    """Return the picture and table of the ledger; absent if all cells are of plain guidance."""
    run = material.run
    entries = ledger_entries(run)
    if not entries:
        return Absent(_TITLE, "the spec has no guidance beside plain guidance_scales")
    figure = guidance_ledger(run)
    names = ["ledger.csv", "effective_scales.csv", "cfg_curves.csv"]
    return Section(
        _TITLE,
        {
            "entries": entries,
            "still": still(figure) if figure is not None else None,
            "sentences": [entry.sentence for entry in entries if entry.sentence],
            "files": [(name, embedded(run, name)) for name in names],
        },
    )
