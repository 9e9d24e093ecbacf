"""What the errors of values are made of, in runs with several images of each prompt."""

from __future__ import annotations

from collections.abc import Sequence

from metrics import Protocol
from metrics.replicates import variance_components
from sdbench.runs.tables import VarianceRow
from sdbench.scoring.compare import CellValues

__all__ = ["variance_rows"]


def variance_rows(cells: Sequence[CellValues], protocols: Sequence[Protocol]) -> list[VarianceRow]:
    """Return a row per protocol and cell whose value has an error and whose prompts have several images.

    Values of whole prompts are left out: nothing is known of their single images.
    """
    rows = []
    for protocol in protocols:
        if protocol.formula.by_prompt:
            continue
        for cell in cells:
            estimate = cell.estimates[cell.ids][protocol.name]
            if estimate.per_image is None or estimate.clusters is None:
                continue
            parts = variance_components(estimate.per_image, estimate.clusters)
            share = parts.share_of_prompts
            rows.append(
                VarianceRow(
                    cell.cell,
                    protocol.name,
                    parts.prompts,
                    parts.images,
                    share,
                    None if share is None else 1 - share,
                    parts.standard_error(),
                    parts.standard_error(same_prompts=True),
                    parts.standard_error(prompts=2),
                    parts.standard_error(images=2),
                )
            )
    return rows
