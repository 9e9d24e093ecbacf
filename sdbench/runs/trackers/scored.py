"""A scored run as trackers receive it: spec, values by cell, plots, and images of some prompts."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from reports.errors import ReportError
from reports.rows import SETTINGS, read_results
from reports.runs import open_run
from sdbench.core.errors import InputError, did_you_mean
from sdbench.runs.labels import cell_label
from sdbench.spec import ExperimentSpec, load_spec

__all__ = ["Scored", "ScoredCell", "Sheet", "read_scored"]

_SHEETS = 8
"""Prompts of which trackers get images: a sweep of 32 cells then sends 256."""


@dataclass(frozen=True)
class ScoredCell:
    """One cell: its settings, and by protocol its (value, standard error or None, n)."""

    name: str
    curve: str
    settings: dict[str, Any]
    values: dict[str, tuple[float, float | None, int]]

    def metrics(self, joint: str) -> dict[str, float]:
        """Return the values by protocol, and the errors by protocol, `joint` and "standard_error"."""
        flat = {protocol: value for protocol, (value, _, _) in self.values.items()}
        errors = {f"{name}{joint}standard_error": error for name, (_, error, _) in self.values.items()}
        return flat | {name: error for name, error in errors.items() if error is not None}


@dataclass(frozen=True)
class Sheet:
    """One prompt, and its images by the name of their cell."""

    prompt: str
    images: dict[str, Path]


@dataclass(frozen=True)
class Scored:
    """A run folder with its spec, its cells in the order of the results, all rows, and its plots as PNG."""

    folder: Path
    spec: ExperimentSpec
    cells: tuple[ScoredCell, ...]
    rows: pd.DataFrame
    plots: tuple[Path, ...]

    @property
    def files(self) -> tuple[Path, ...]:
        """The spec and the table of results."""
        return self.folder / "spec.yaml", self.folder / "results.csv"

    def sheets(self) -> list[Sheet]:
        """Return the first prompts with kept images: what the grid of the report page shows first."""
        run = open_run(self.folder)
        return [
            Sheet(
                prompt,
                {
                    name: path
                    for cell, name in run.names.items()
                    if (path := run.image(cell, prompt_id)).is_file()
                },
            )
            for prompt_id, prompt in run.with_images(_SHEETS)
        ]

    def of_checkpoint(self, name: str) -> list[ScoredCell]:
        """Return the cells of a checkpoint; raise InputError if there are none."""
        cells = [cell for cell in self.cells if cell.settings["checkpoint"] == name]
        if not cells:
            names = dict.fromkeys(cell.settings["checkpoint"] for cell in self.cells)
            raise InputError(f"{self.folder} has no results of {name!r}: {did_you_mean(name, names)}")
        return cells


def read_scored(folder: Path) -> Scored:
    """Return the run in `folder`; raise InputError if it holds no results."""
    spec = load_spec(folder / "spec.yaml")
    try:
        rows = read_results(folder)
    except ReportError as error:
        raise InputError(str(error)) from None
    cells = tuple(_cell(frame) for _, frame in rows.groupby("cell", sort=False))
    return Scored(folder, spec, cells, rows, tuple(sorted((folder / "report").glob("*.png"))))


def _cell(rows: pd.DataFrame) -> ScoredCell:
    first = rows.iloc[0]
    settings = {
        key: _plain(first[key]) for key in (*SETTINGS, "image_size", "seed", "precision", "nfe", "device")
    }
    return ScoredCell(
        name=cell_label(first["curve"], first["guidance_scale"]),
        curve=first["curve"],
        settings=settings,
        values={
            str(row["protocol"]): (_plain(row["value"]), _plain(row["standard_error"]), _plain(row["n"]))
            for _, row in rows.iterrows()
        },
    )


def _plain(value: Any) -> Any:
    """Return a pandas scalar as a Python one; None if it is missing."""
    if pd.isna(value):
        return None
    return value.item() if hasattr(value, "item") else value
