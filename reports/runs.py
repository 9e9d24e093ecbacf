"""A run folder as reports read it: tables, manifest, spec and kept images. A missing table is None."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq

from reports import table_columns
from reports.errors import ReportError
from reports.escaping import from_csv
from reports.rows import AS_WRITTEN, SETTINGS, first_protocol, read_results

__all__ = ["Run", "open_run"]


@dataclass(frozen=True, eq=False)
class Run:
    """What one experiment made.

    ``cells`` has a row per cell, in the order of the results: ``cell`` (its folder's name), ``curve``, the
    columns of SETTINGS, ``name`` ("v1-4 at guidance scale 3"), ``short`` ("v1-4 at 3") and
    ``seconds_per_image`` (NaN if unknown). ``results`` has ``name`` and ``short`` too.
    """

    folder: Path
    results: pd.DataFrame
    cells: pd.DataFrame
    manifest: dict[str, Any]
    spec: str

    @property
    def title(self) -> str:
        """The name of the experiment."""
        return str(self.manifest["name"])

    @cached_property
    def names(self) -> dict[str, str]:
        """The name of every cell by its folder."""
        return dict(zip(self.cells["cell"], self.cells["name"], strict=True))

    @cached_property
    def comparisons(self) -> pd.DataFrame | None:
        """A row per protocol and pair of cells, for the cells that have results."""
        pairs = self._table("comparisons.csv", table_columns.COMPARISONS)
        return None if pairs is None else pairs[pairs["a"].isin(self.names) & pairs["b"].isin(self.names)]

    @cached_property
    def best(self) -> pd.DataFrame | None:
        """How surely each cell is not the best by a protocol."""
        return self._table("best.csv", table_columns.BEST)

    @cached_property
    def curves(self) -> pd.DataFrame | None:
        """A row per protocol and pair of curves, compared as a whole."""
        return self._table("curves.csv", table_columns.CURVES)

    @cached_property
    def best_scales(self) -> pd.DataFrame | None:
        """The guidance scale at which each curve is best by a protocol."""
        return self._table("best_scales.csv", table_columns.BEST_SCALES)

    @cached_property
    def own_bests(self) -> pd.DataFrame | None:
        """A row per protocol and pair of curves, compared each at its own best scale."""
        return self._table("own_bests.csv", table_columns.CURVES)

    @cached_property
    def regions(self) -> pd.DataFrame | None:
        """The ellipses of the plane."""
        return self._table("regions.csv", table_columns.REGIONS)

    @cached_property
    def dominance(self) -> pd.DataFrame | None:
        """The probabilities that one curve is ahead of another."""
        return self._table("dominance.csv", table_columns.DOMINANCE)

    @cached_property
    def protocols(self) -> pd.DataFrame | None:
        """How each protocol computes its values."""
        return self._table("protocols.csv", table_columns.PROTOCOLS)

    @cached_property
    def categories(self) -> pd.DataFrame | None:
        """The values by category of the prompts."""
        return self._table("categories.csv", table_columns.CATEGORIES)

    @cached_property
    def category_comparisons(self) -> pd.DataFrame | None:
        """The differences between cells in each category."""
        return self._table("category_comparisons.csv", table_columns.CATEGORY_COMPARISONS)

    @cached_property
    def variance(self) -> pd.DataFrame | None:
        """The shares of prompts and noise, for the cells that have results."""
        rows = self._table("variance.csv", table_columns.VARIANCE)
        return None if rows is None else rows[rows["cell"].isin(self.names)]

    @cached_property
    def recipes(self) -> pd.DataFrame | None:
        """The values of groups of checkpoints that were trained alike."""
        return self._table("recipes.csv", table_columns.RECIPES)

    @cached_property
    def recipe_comparisons(self) -> pd.DataFrame | None:
        """The differences between recipes over common guidance scales."""
        return self._table("recipe_comparisons.csv", table_columns.RECIPE_COMPARISONS)

    @cached_property
    def ledger(self) -> pd.DataFrame | None:
        """What each way of guiding gains over plain scales."""
        return self._table("ledger.csv", table_columns.LEDGER)

    @cached_property
    def effective_scales(self) -> pd.DataFrame | None:
        """The plain scale that each denoiser call of a guided cell amounts to."""
        return self._table("effective_scales.csv", table_columns.EFFECTIVE)

    @cached_property
    def cfg_curves(self) -> pd.DataFrame | None:
        """The smooth curves through the cells of plain guidance."""
        return self._table("cfg_curves.csv", table_columns.CFG_CURVES)

    @cached_property
    def flagged(self) -> pd.DataFrame | None:
        """The images that the audit flagged."""
        return self._table("flagged.csv", table_columns.FLAGGED)

    @cached_property
    def images(self) -> pd.DataFrame | None:
        """A row per image with its scores and influences. Texts are categories, to save memory."""
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
        """(prompt id, prompt) of the first cell, in the run's order; none without images.parquet.

        The other cells have the same prompts, or with a budget more or fewer of them.
        """
        if self.images is None:
            return []
        frame = self.images[self.images["cell"] == self.cells["cell"].iloc[0]]
        return list(zip(frame["prompt_id"].astype(str), frame["prompt"].astype(str), strict=True))

    def with_images(self, most: int) -> list[tuple[str, str]]:
        """Return (prompt id, prompt) of the first prompts with a kept image, at most ``most``."""
        found: list[tuple[str, str]] = []
        for name, text in self.prompts:
            if len(found) == most:
                break
            if any(self.image(cell, name).is_file() for cell in self.names):
                found.append((name, text))
        return found

    def image(self, cell: str, prompt_id: str) -> Path:
        """Return the path of the image of a cell and a prompt; the file exists if it was kept."""
        return self.folder / "images" / cell / f"{prompt_id}.png"

    def of_protocol(self, protocol: str) -> pd.DataFrame:
        """Return the results of one protocol."""
        return self.results[self.results["protocol"] == protocol]

    def first(self, better: str) -> str | None:
        """Return the first distance ("lower") or score ("higher") of the run, or None."""
        return first_protocol(self.results, better) if better in set(self.results["better"]) else None

    def _table(self, name: str, columns: Mapping[str, str]) -> pd.DataFrame | None:
        path = self.folder / name
        if not path.is_file():
            return None
        try:
            frame = pd.read_csv(path, dtype=dict(columns), **AS_WRITTEN)
        except (OSError, ValueError) as error:
            words = " ".join(str(error).split())
            raise ReportError(f"{path} cannot be read as a table: {words}") from error
        frame = frame.assign(
            **dict.fromkeys(table_columns.LATER & columns.keys() - set(frame.columns), math.nan)
        )
        _require(frame, columns, path)
        texts = [column for column, kind in columns.items() if kind == "str"]
        frame[texts] = frame[texts].fillna("").map(from_csv)
        return frame


def open_run(folder: Path) -> Run:
    """Read a run folder.

    Raises:
        ReportError: Results, manifest or spec are missing or damaged, or do not belong together.
    """
    results, manifest = read_results(folder), _read_manifest(folder)
    spec = folder / "spec.yaml"
    if not spec.is_file():
        raise ReportError(f"{spec} does not exist: {folder} is not a complete run folder")
    scales = results["guidance_scale"].map("{:g}".format)
    results["name"] = results["curve"] + " at guidance scale " + scales
    results["short"] = results["curve"] + " at " + scales
    cells = _cells(results, manifest, folder / "manifest.json")
    return Run(folder, results, cells, manifest, spec.read_text(encoding="utf-8"))


def _read_manifest(run: Path) -> dict[str, Any]:
    path = run / "manifest.json"
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ReportError(f"{path} does not exist: {run} is not a run folder") from None
    except (ValueError, RecursionError) as error:
        raise ReportError(f"{path} is not JSON: {error}") from error
    if not isinstance(manifest, dict) or not {"name", "cells", "finished"} <= manifest.keys():
        raise ReportError(f"{path} is not the manifest of a run")
    return manifest


def _cells(results: pd.DataFrame, manifest: Mapping[str, Any], path: Path) -> pd.DataFrame:
    """Return the cells of the results, with the times that the manifest gives for them."""
    cells = results.drop_duplicates("cell")[["cell", "curve", *SETTINGS, "name", "short"]]
    try:
        seconds = {cell["cell"]: cell.get("seconds_per_image", math.nan) for cell in manifest["cells"]}
    except (KeyError, TypeError, AttributeError):
        raise ReportError(f"{path}: 'cells' is not a list of cells") from None
    unknown = cells.loc[~cells["cell"].isin(list(seconds)), "name"]
    if len(unknown):
        raise ReportError(
            f"{path} has no cell {unknown.iloc[0]}, which results.csv has: they are files of different runs"
        )
    return cells.assign(seconds_per_image=cells["cell"].map(seconds).astype("float64")).reset_index(drop=True)


def _require(frame: pd.DataFrame, columns: Iterable[str], path: Path) -> None:
    missing = [name for name in columns if name not in frame.columns]
    if missing:
        raise ReportError(f"{path}: the table has no {', '.join(missing)}")
