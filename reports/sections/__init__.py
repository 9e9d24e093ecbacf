"""The sections of the page, in their order on it."""

from __future__ import annotations

from collections.abc import Callable

from reports.sections._section import Absent, Material, Section
from reports.sections.audit import audit
from reports.sections.categories import categories
from reports.sections.comparisons import comparisons
from reports.sections.cost import cost
from reports.sections.extremes import extremes
from reports.sections.grid import grid
from reports.sections.influence import influence
from reports.sections.ledger import ledger
from reports.sections.picture import picture
from reports.sections.protocols import protocols
from reports.sections.provenance import provenance
from reports.sections.recipes import recipes
from reports.sections.scales import scales
from reports.sections.values import values
from reports.sections.variance import variance
from reports.sections.verdict import verdict

__all__ = ["SECTIONS", "Absent", "Material", "Section"]

SECTIONS: dict[str, Callable[[Material], Section | Absent]] = {
    "verdict": verdict,
    "picture": picture,
    "scales": scales,
    "ledger": ledger,
    "comparisons": comparisons,
    "values": values,
    "recipes": recipes,
    "categories": categories,
    "variance": variance,
    "grid": grid,
    "extremes": extremes,
    "influence": influence,
    "protocols": protocols,
    "audit": audit,
    "cost": cost,
    "provenance": provenance,
}
