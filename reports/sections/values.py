"""All values of the run: a chart and a table per protocol."""

from __future__ import annotations

from reports.charts import scales_chart
from reports.sections._embedded import embedded
from reports.sections._section import Material, Section
from reports.tables import protocol_tables

__all__ = ["values"]


def values(material: Material) -> Section:
    """Return the table of each protocol, with a chart against the guidance scale."""
    run = material.run
    tables = protocol_tables(run.results)
    return Section(
        "All values",
        {
            "tables": [(table, scales_chart(run, table.protocol)) for table in tables],
            "choices": [(table.protocol, table.label) for table in tables],
            "file": embedded(run, "results.csv"),
        },
    )
