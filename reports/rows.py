"""Result rows: one per cell and protocol, as the harness writes them, in a pandas frame.

A cell is a checkpoint with a sampler setting at one guidance scale. Functions here read rows and arrange
them; nothing is computed anew.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from reports.errors import ReportError

__all__ = [
    "AS_WRITTEN",
    "CELL",
    "COLUMNS",
    "best_cells",
    "curve_names",
    "first_protocol",
    "has_plane",
    "plane",
    "read_published",
    "read_results",
]

#: What identifies a cell.
CELL = ["checkpoint", "sampler", "steps", "eta", "guidance_scale"]

#: The columns of results.csv with the pandas type each is read as.
COLUMNS = {
    "checkpoint": "str",
    "sampler": "str",
    "steps": "int64",
    "eta": "float64",
    "guidance_scale": "float64",
    "protocol": "str",
    "label": "str",
    "better": "str",
    "value": "float64",
    "standard_error": "float64",
    "note": "str",
    "n": "int64",
    "flagged": "Int64",
    "nfe": "Int64",
    "image_size": "str",
    "seed": "Int64",
    "precision": "str",
    "batch_size": "str",
    "device": "str",
    "weights_digest": "str",
    "spec_digest": "str",
    "versions": "str",
    "prompts_digest": "str",
    "reference_digest": "str",
}

#: How to read a table: nothing but an empty field is missing, a checkpoint may be called NA.
AS_WRITTEN: dict[str, Any] = {"keep_default_na": False, "na_values": ""}

#: Columns that tables made before there were any lack: they are read as empty text.
_LATER = {"prompts_digest": "", "reference_digest": ""}


def read_results(path: Path) -> pd.DataFrame:
    """Read results.csv, or that of a run folder, with the columns of COLUMNS.

    A missing standard error is NaN, a missing text "". Raises ReportError for a missing file, missing
    columns, no rows, a cell that has a protocol twice, or a value that is not finite.
    """
    source = path / "results.csv" if path.is_dir() else path
    texts = [name for name, kind in COLUMNS.items() if kind == "str"]
    try:
        frame = pd.read_csv(source, dtype=dict.fromkeys(texts, "str"), **AS_WRITTEN)
    except FileNotFoundError:
        raise ReportError(f"{source} does not exist: give a run folder or its results.csv") from None
    except (ValueError, OSError) as error:
        raise ReportError(f"{source} cannot be read as a results table: {_first_line(error)}") from error
    frame = frame.assign(**{name: empty for name, empty in _LATER.items() if name not in frame.columns})
    missing = [name for name in COLUMNS if name not in frame.columns]
    if missing:
        raise ReportError(f"{source} has no column {', '.join(missing)}: it is not a results table")
    if frame["guidance_scale"].isna().any():
        raise ReportError(
            f"{source}: images scored without guidance scales make no curve; read the table itself"
        )
    try:
        frame = frame[list(COLUMNS)].fillna(dict.fromkeys(texts, "")).astype(COLUMNS)
    except (ValueError, TypeError) as error:
        raise ReportError(f"{source} holds a wrong value: {_first_line(error)}") from error
    _check(frame, source)
    return frame


def read_published(path: Path) -> pd.DataFrame:
    """Read points taken off a published figure (checkpoint, guidance_scale, clip_score, fid) as result rows.

    They are those of the Stable Diffusion v1 release: 50 PLMS steps, 10,000 images of 512x512 pixels a
    point. What the release does not say (errors, seed, precision, device, versions) stays empty.
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
    """Return the rows of one protocol; PLMS with 50 steps makes 51 calls, guidance doubles them."""
    known = {
        "checkpoint": points["checkpoint"],
        "sampler": "plms",
        "steps": 50,
        "eta": 0.0,
        "guidance_scale": points["guidance_scale"],
        "protocol": protocol,
        "label": label,
        "better": better,
        "value": points[column],
        "note": "read off the published figure",
        "n": 10_000,
        "nfe": 102,
        "image_size": "512x512",
    }
    unknown = {name: "" if kind == "str" else pd.NA for name, kind in COLUMNS.items() if name not in known}
    frame = pd.DataFrame({**known, **unknown}, index=points.index)[list(COLUMNS)]
    return frame.assign(standard_error=np.nan).astype(COLUMNS)


def curve_names(results: pd.DataFrame) -> pd.Series[str]:
    """Return the curve of every row: the checkpoint, with the sampler where a run has several settings."""
    if len(results[["sampler", "steps", "eta"]].drop_duplicates()) == 1:
        return results["checkpoint"]
    sampler = results["sampler"] + " " + results["steps"].astype(str)
    eta = results["eta"].map(lambda value: f", eta {value:g}" if value else "")
    return results["checkpoint"] + ", " + sampler + eta


def first_protocol(results: pd.DataFrame, better: str) -> str:
    """Return the first protocol whose ``better`` is "lower" (a distance) or "higher" (a score).

    Among the scores a CLIP score comes before precision, recall and their like.

    Raises ReportError where the run has none.
    """
    names = results.loc[results["better"] == better, "protocol"]
    if names.empty:
        what = "distance (better: lower)" if better == "lower" else "CLIP score (better: higher)"
        raise ReportError(f"the results hold no {what}: name such a metric in the spec")
    return str(next((name for name in names if name.startswith("clip-score")), names.iloc[0]))


def has_plane(results: pd.DataFrame) -> bool:
    """Whether the results hold both a distance and a score, so that a plane can be drawn."""
    return bool(results["better"].nunique() == 2)


def best_cells(results: pd.DataFrame, by: list[str]) -> pd.DataFrame:
    """Return the columns CELL of the best cell of each group of cells with equal ``by``, best group first.

    Best is the lowest first distance, or where the results have none the highest first score; of equals the
    first. Raises ReportError where there is neither.
    """
    lower = bool((results["better"] == "lower").any())
    protocol = first_protocol(results, "lower" if lower else "higher")
    ordered = results[results["protocol"] == protocol].sort_values("value", ascending=lower, kind="stable")
    return ordered.drop_duplicates(by)[CELL]


def plane(results: pd.DataFrame) -> pd.DataFrame:
    """Return the cells as points: the first score as x, the first distance as y, in the order of the rows.

    Columns: those of CELL, curve, x, x_error, y, y_error (standard errors, NaN where there is none).
    Raises ReportError where either axis is missing, or no cell has both.
    """
    sides = {}
    for axis, better in (("x", "higher"), ("y", "lower")):
        rows = results[results["protocol"] == first_protocol(results, better)]
        columns = {"value": axis, "standard_error": f"{axis}_error"}
        sides[axis] = rows[[*CELL, *columns]].rename(columns=columns)
    points = sides["x"].merge(sides["y"], on=CELL, validate="one_to_one")
    if points.empty:
        raise ReportError("no cell of the results has both a CLIP score and a distance")
    return points.assign(curve=curve_names(points))


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
    twice = frame[frame.duplicated([*CELL, "protocol"])]
    if len(twice):
        row = twice.iloc[0]
        raise ReportError(
            f"{source}: {row['protocol']} stands twice for {row['checkpoint']} at guidance scale "
            f"{row['guidance_scale']:g}: plot one run at a time"
        )


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
