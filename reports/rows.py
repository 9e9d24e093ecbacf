"""Result rows in a pandas frame: one per cell and protocol, as reports.result_row describes them.

A cell is a checkpoint with a sampler setting at one guidance scale. The functions here read rows and arrange
them; they compute no values.
"""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from reports.errors import ReportError
from reports.escaping import from_csv
from reports.result_row import ResultRow

__all__ = [
    "AS_WRITTEN",
    "COLUMNS",
    "SETTINGS",
    "best_cells",
    "first_protocol",
    "has_plane",
    "plane",
    "read_published",
    "read_results",
]

#: What a cell's images were asked for with.
SETTINGS = ["checkpoint", "sampler", "steps", "eta", "guidance_scale"]

_KINDS = {
    "str": "str",
    "int": "int64",
    "int | None": "Int64",
    "float": "float64",
    "float | None": "float64",
}
#: The columns of results.csv with the pandas type each is read as.
COLUMNS = {field.name: _KINDS[str(field.type)] for field in fields(ResultRow)}

#: How to read a table: only an empty field is missing, since a checkpoint may be called NA.
AS_WRITTEN: dict[str, Any] = {"keep_default_na": False, "na_values": ""}


def read_results(path: Path) -> pd.DataFrame:
    """Read the results.csv of a run folder, or a file like it, with the columns of COLUMNS.

    A missing standard error is NaN, a missing text "".

    Raises:
        ReportError: The file or a column is missing, the table is empty, a value is not finite, or a curve
            has two values of a protocol at one guidance scale.
    """
    source = path / "results.csv" if path.is_dir() else path
    texts = [name for name, kind in COLUMNS.items() if kind == "str"]
    try:
        frame = pd.read_csv(source, dtype=dict.fromkeys(texts, "str"), **AS_WRITTEN)
    except FileNotFoundError:
        raise ReportError(f"{source} does not exist: give a run folder or its results.csv") from None
    except (ValueError, OSError) as error:
        raise ReportError(f"{source} cannot be read as a results table: {_first_line(error)}") from error
    missing = [name for name in COLUMNS if name not in frame.columns]
    if missing:
        raise ReportError(f"{source} has no column {', '.join(missing)}: it is not a results table")
    if frame[["steps", "guidance_scale"]].isna().any(axis=None):
        raise ReportError(
            f"{source}: images scored without guidance scales make no curve; open the table instead"
        )
    try:
        frame = frame[list(COLUMNS)].fillna(dict.fromkeys(texts, "")).astype(COLUMNS)
        frame[texts] = frame[texts].map(from_csv)
    except (ValueError, TypeError) as error:
        raise ReportError(f"{source} holds a wrong value: {_first_line(error)}") from error
    _check(frame, source)
    return frame


def read_published(path: Path) -> pd.DataFrame:
    """Return the points of the Stable Diffusion v1 release as result rows.

    ``path`` is a table of points read off its plot: checkpoint, guidance_scale, clip_score, fid. Each point
    is 50 PLMS steps and 10,000 images of 512x512 pixels. What the release does not give (errors, seed,
    precision, device, versions) stays empty.

    Raises:
        ReportError: The file is not such a table.
    """
    try:
        points = pd.read_csv(path, dtype={"checkpoint": "str"}, **AS_WRITTEN)
        parts = [
            _published_rows(points, "fid", "fid-published-10k", "FID (as published)", "lower"),
            _published_rows(
                points, "clip_score", "clip-score-published", "CLIP score (ViT-L/14, as published)", "higher"
            ),
        ]
    except (OSError, ValueError, KeyError) as error:
        raise ReportError(f"{path} is not a table of published points: {_first_line(error)}") from error
    return pd.concat(parts, ignore_index=True)


def _published_rows(
    points: pd.DataFrame, column: str, protocol: str, label: str, better: str
) -> pd.DataFrame:
    """Return the rows of one protocol. 50 PLMS steps evaluate the model 51 times; guidance doubles that."""
    known = {
        "cell": points["checkpoint"] + "_s" + points["guidance_scale"].map("{:g}".format),
        "curve": points["checkpoint"],
        "checkpoint": points["checkpoint"],
        "sampler": "plms",
        "steps": 50,
        "eta": 0.0,
        "guidance_scale": points["guidance_scale"],
        "protocol": protocol,
        "label": label,
        "better": better,
        "value": points[column],
        "note": "read off the published plot",
        "n": 10_000,
        "nfe": 102,
        "image_size": "512x512",
    }
    unknown = {"str": "", "Int64": pd.NA, "float64": np.nan}
    empty = {name: unknown[kind] for name, kind in COLUMNS.items() if name not in known}
    return pd.DataFrame({**known, **empty}, index=points.index)[list(COLUMNS)].astype(COLUMNS)


def first_protocol(results: pd.DataFrame, better: str) -> str:
    """Return the first protocol whose ``better`` is "lower" (a distance) or "higher" (a score).

    Among the scores, a CLIP score comes before precision, recall and the like.

    Raises:
        ReportError: The results have no such protocol.
    """
    names = results.loc[results["better"] == better, "protocol"]
    if names.empty:
        what = "distance (better: lower)" if better == "lower" else "CLIP score (better: higher)"
        raise ReportError(f"the results have no {what}: name such a metric in the spec")
    return str(next((name for name in names if name.startswith("clip-score")), names.iloc[0]))


def has_plane(results: pd.DataFrame) -> bool:
    """Whether the results have both a distance and a score, the axes of the plane."""
    return bool(results["better"].nunique() == 2)


def best_cells(results: pd.DataFrame, by: list[str]) -> list[str]:
    """Return the best cell of each group of cells with equal ``by``, the best group first.

    Best is the lowest first distance or, without distances, the highest first score. The first wins a tie.

    Raises:
        ReportError: The results have neither.
    """
    lower = bool((results["better"] == "lower").any())
    protocol = first_protocol(results, "lower" if lower else "higher")
    ordered = results[results["protocol"] == protocol].sort_values("value", ascending=lower, kind="stable")
    return [str(cell) for cell in ordered.drop_duplicates(by)["cell"]]


def plane(results: pd.DataFrame) -> pd.DataFrame:
    """Return the cells as points: the first score as x, the first distance as y, in the order of the rows.

    Columns: cell, curve, those of SETTINGS, x, x_error, y, y_error (standard errors, NaN if unknown).

    Raises:
        ReportError: The results have no score or no distance, or no cell has both.
    """
    sides = {}
    for axis, better in (("x", "higher"), ("y", "lower")):
        rows = results[results["protocol"] == first_protocol(results, better)]
        sides[axis] = rows.rename(columns={"value": axis, "standard_error": f"{axis}_error"})
    left = sides["x"][["cell", "curve", *SETTINGS, "x", "x_error"]]
    points = left.merge(sides["y"][["cell", "y", "y_error"]], on="cell", validate="one_to_one")
    if points.empty:
        raise ReportError("no cell has both a CLIP score and a distance")
    return points


def _check(frame: pd.DataFrame, source: Path) -> None:
    if frame.empty:
        raise ReportError(f"{source} has no rows")
    wrong = frame.index[~np.isfinite(frame["value"])]
    if len(wrong):
        raise ReportError(f"{source}: the value of data row {wrong[0] + 1} is missing or not finite")
    errors = frame["standard_error"].dropna()
    if not (np.isfinite(errors) & (errors >= 0)).all():
        raise ReportError(f"{source}: a standard_error is negative or not finite; leave it empty if unknown")
    if not frame["better"].isin(["lower", "higher"]).all():
        raise ReportError(f"{source}: the column better must be 'lower' or 'higher' in every row")
    twice = frame[frame.duplicated(["curve", "guidance_scale", "protocol"])]
    if len(twice):
        row = twice.iloc[0]
        raise ReportError(
            f"{source} has two values of {row['protocol']} for {row['curve']} at guidance scale "
            f"{row['guidance_scale']:g}: plot one run at a time"
        )


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
