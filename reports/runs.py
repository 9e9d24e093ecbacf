"""A run folder as reports read it: its tables, manifest, spec and kept images. What a run lacks is None."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq

from reports.errors import ReportError
from reports.rows import AS_WRITTEN, CELL, curve_names, first_protocol, read_results

__all__ = ["Run", "open_run", "read_manifest"]

#: The tables' columns with the pandas type each is read as; a table may have more.
_COMPARISONS = dict.fromkeys(["protocol", "a", "b", "note"], "str") | dict.fromkeys(
    ["difference", "standard_error", "low", "high", "p_value", "p_holm", "detectable", "n"], "float64"
)
_REGIONS = dict.fromkeys(["cell", "x_protocol", "y_protocol"], "str") | dict.fromkeys(
    ["x", "y", "xx", "xy", "yy", "radius"], "float64"
)
_DOMINANCE = {"a": "str", "b": "str", "probability": "float64"}
_PROTOCOLS = dict.fromkeys(
    ["protocol", "version", "agrees_with", "resize", "quantisation", "extractor", "dimension", "notes"], "str"
)
_FLAGGED = dict.fromkeys(["cell", "image", "flags", "like"], "str")


@dataclass(frozen=True, eq=False)
class Run:
    """What one experiment made.

    ``cells`` has a row per cell that has results, in the order of the plan: the columns of CELL, ``cell``
    (its folder's name), ``curve``, ``name`` ("v1-4 at guidance scale 3") and ``short`` ("v1-4 at 3").
    ``results`` has the last four too.
    """

    folder: Path
    results: pd.DataFrame
    cells: pd.DataFrame
    manifest: dict[str, Any]
    spec: str

    @property
    def title(self) -> str:
        """The name of the experiment; of a run from before it stood in the manifest, the folder's."""
        return str(self.manifest.get("name") or self.folder.resolve().name)

    @cached_property
    def names(self) -> dict[str, str]:
        """The name of every cell by its folder."""
        return dict(zip(self.cells["cell"], self.cells["name"], strict=True))

    @cached_property
    def comparisons(self) -> pd.DataFrame | None:
        """The pairs of cells by each protocol, of the cells that have results."""
        pairs = self._table("comparisons.csv", _COMPARISONS)
        return None if pairs is None else pairs[pairs["a"].isin(self.names) & pairs["b"].isin(self.names)]

    @cached_property
    def regions(self) -> pd.DataFrame | None:
        """The ellipses of the plane."""
        return self._table("regions.csv", _REGIONS)

    @cached_property
    def dominance(self) -> pd.DataFrame | None:
        """The probability that a curve leaves another behind."""
        return self._table("dominance.csv", _DOMINANCE)

    @cached_property
    def protocols(self) -> pd.DataFrame | None:
        """How the figures of each protocol are made."""
        return self._table("protocols.csv", _PROTOCOLS)

    @cached_property
    def flagged(self) -> pd.DataFrame | None:
        """The images that the audit flagged."""
        return self._table("flagged.csv", _FLAGGED)

    @cached_property
    def images(self) -> pd.DataFrame | None:
        """A row per image and cell with its scores and influences; texts are categories, being many."""
        path = self.folder / "images.parquet"
        if not path.is_file():
            return None
        try:
            texts = ["cell", "prompt_id", "prompt"]
            wanted = [
                name
                for name in pq.read_schema(path).names
                if name in texts or name.startswith(("score_", "influence_"))
            ]
            frame = pq.read_table(path, columns=wanted, read_dictionary=texts).to_pandas()
        except (OSError, ValueError) as error:
            raise ReportError(f"{path} cannot be read: {error}") from error
        _require(frame, texts, path)
        return frame[frame["cell"].isin(self.names)]

    @cached_property
    def prompts(self) -> list[tuple[str, str]]:
        """(prompt id, prompt) of the first cell, in the run's order.

        The other cells have the same ones, under a budget more of them or fewer.
        """
        folder, units = self.cells["cell"].iloc[0], self.cells["units"].iloc[0]
        if self.images is not None:
            frame = self.images[self.images["cell"] == folder]
        else:
            frame = _read_prompts(self.folder, folder, units)
        return list(zip(frame["prompt_id"].astype(str), frame["prompt"].astype(str), strict=True))

    def image(self, cell: str, prompt_id: str) -> Path:
        """Return where the image of a cell and a prompt stands, if it was kept."""
        return self.folder / "images" / cell / f"{prompt_id}.png"

    def of_protocol(self, protocol: str) -> pd.DataFrame:
        """Return the results of one protocol."""
        return self.results[self.results["protocol"] == protocol]

    def first(self, better: str) -> str | None:
        """Return the first distance ("lower") or score ("higher") of the run, None where it has none."""
        return first_protocol(self.results, better) if better in set(self.results["better"]) else None

    def _table(self, name: str, columns: Mapping[str, str]) -> pd.DataFrame | None:
        path = self.folder / name
        if not path.is_file():
            return None
        try:
            frame = pd.read_csv(path, dtype=dict(columns), **AS_WRITTEN)
        except (OSError, ValueError) as error:
            raise ReportError(f"{path} cannot be read as a table: {error}") from error
        _require(frame, columns, path)
        return frame.fillna({column: "" for column, kind in columns.items() if kind == "str"})


def open_run(folder: Path) -> Run:
    """Read a run folder. Raises ReportError where results, manifest or spec are missing or damaged."""
    results, manifest = read_results(folder), read_manifest(folder)
    spec = folder / "spec.yaml"
    if not spec.is_file():
        raise ReportError(f"{spec} does not exist: {folder} is not a complete run folder")
    cells = _cells(folder, manifest)
    keyed = results.assign(key=_keys(results)).merge(
        cells.assign(key=_keys(cells))[["key", "cell", "curve", "name", "short"]], on="key", how="left"
    )
    unknown = keyed[keyed["cell"].isna()]
    if len(unknown):
        row = unknown.iloc[0]
        raise ReportError(
            f"{folder / 'manifest.json'} has no cell {row['checkpoint']} at guidance scale "
            f"{row['guidance_scale']:g}, which results.csv has: score the run again"
        )
    measured = cells[cells["cell"].isin(keyed["cell"])].reset_index(drop=True)
    return Run(folder, keyed.drop(columns="key"), measured, manifest, spec.read_text(encoding="utf-8"))


def read_manifest(run: Path) -> dict[str, Any]:
    """Return RUN/manifest.json; ReportError where it is missing or no JSON object."""
    path = run / "manifest.json"
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ReportError(f"{path} does not exist: {run} is not a run folder") from None
    except ValueError as error:
        raise ReportError(f"{path} is not JSON: {error}") from error
    if not isinstance(manifest, dict) or not isinstance(manifest.get("cells", []), list):
        raise ReportError(f"{path} is not the manifest of a run")
    return manifest


def _cells(folder: Path, manifest: Mapping[str, Any]) -> pd.DataFrame:
    path = folder / "manifest.json"
    cells = pd.DataFrame(manifest.get("cells", []))
    if cells.empty:
        raise ReportError(f"{path} names no cells: it is not the manifest of a run")
    _require(cells, ["cell", *CELL, "units"], path)
    curves = curve_names(cells)
    scales = cells["guidance_scale"].map("{:g}".format)
    return cells.assign(
        curve=curves, name=curves + " at guidance scale " + scales, short=curves + " at " + scales
    )


def _keys(frame: pd.DataFrame) -> pd.Series[str]:
    """Return each cell's identity as text: results.csv holds nine digits of each number."""
    key = frame["checkpoint"] + "\n" + frame["sampler"]
    for name in ("steps", "eta", "guidance_scale"):
        key = key + "\n" + frame[name].map("{:.9g}".format)
    return key


def _read_prompts(run: Path, folder: str, units: Sequence[str]) -> pd.DataFrame:
    """Return prompt_id and prompt of a cell's units; the folder may hold shards of an earlier spec beside."""
    columns = ["prompt_id", "prompt"]
    paths = [path for name in units if (path := run / "shards" / folder / f"{name}.parquet").is_file()]
    if not paths:
        return pd.DataFrame(columns=columns)
    try:
        return pd.concat([pd.read_parquet(path, columns=columns) for path in paths])
    except (OSError, ValueError) as error:
        raise ReportError(f"{run}: a shard of {folder} cannot be read: {error}") from error


def _require(frame: pd.DataFrame, columns: Iterable[str], path: Path) -> None:
    missing = [name for name in columns if name not in frame.columns]
    if missing:
        kind = "cells have" if path.suffix == ".json" else "table has"
        raise ReportError(f"{path}: the {kind} no {', '.join(missing)}")
