"""Images of the same prompts and noise in every cell."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from reports.album import Shot, Wanted
from reports.runs import Run
from reports.sections._section import Absent, Material, Section
from reports.wording import count_range, number

__all__ = ["grid"]

_TITLE = "What the images look like"
_SCORE_DECIMALS = 3


@dataclass(frozen=True)
class Field:
    """One cell of the grid, with its picture if it was kept."""

    cell: str
    shot: Shot | None


@dataclass(frozen=True)
class Sheet:
    """One prompt: a row per curve, a field per guidance scale, None for a cell that was not run."""

    prompt: str
    rows: list[tuple[str, list[Field | None]]]


def grid(material: Material) -> Section | Absent:
    """Return a sheet for each prompt of the album; absent if no images were kept."""
    run, album = material.run, material.album
    if run.images is None:
        return Absent(_TITLE, "images.parquet is missing: sdbench score writes it")
    if not album.prompts:
        return Absent(
            _TITLE, "this run folder has no images (images: none in the spec, or they were deleted)"
        )
    scales = sorted(set(run.cells["guidance_scale"]))
    notes = _notes(run, [name for name, _ in album.prompts])
    sheets = []
    for prompt_id, prompt in album.prompts:
        rows = []
        for curve, cells in run.cells.groupby("curve", sort=False):
            at = dict(zip(cells["guidance_scale"], cells["cell"], strict=True))
            fields = [
                Field(cell, album.shot(Wanted(cell, prompt_id, prompt, notes.get((cell, prompt_id), ""))))
                if (cell := at.get(scale))
                else None
                for scale in scales
            ]
            rows.append((str(curve), fields))
        sheets.append(Sheet(prompt, rows))
    return Section(
        _TITLE,
        {
            "sheets": sheets,
            "choices": [(place, sheet.prompt) for place, sheet in enumerate(sheets)],
            "scales": [f"{scale:g}" for scale in scales],
            "total": count_range(run.results.drop_duplicates("cell")["n"]),
        },
    )


def _notes(run: Run, prompt_ids: list[str]) -> dict[tuple[str, str], str]:
    """Return the score of each shown image in words, if the run has one."""
    score = run.first("higher")
    column = f"score_{score}"
    if run.images is None or column not in run.images:
        return {}
    rows = run.images[run.images["prompt_id"].isin(prompt_ids)]
    label = str(run.of_protocol(str(score))["label"].iloc[0]).split(" (")[0]
    return {
        (str(cell), str(prompt)): f"{label} of this image: {number(value, _SCORE_DECIMALS)}"
        for cell, prompt, value in zip(rows["cell"], rows["prompt_id"], rows[column], strict=True)
        if not pd.isna(value)
    }
