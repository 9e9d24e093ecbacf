"""Every value of two runs, compared: prompt by prompt if prompts and start noise agree."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from math import isnan
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from metrics import Estimate
from metrics.compare import Comparison, compare, corrected
from metrics.uncertainty import with_clusters
from sdbench.core.errors import InputError, one_line

__all__ = ["Shared", "ValueChange", "shared_images", "value_changes"]

_LEVEL = 0.05
_KEYS = ["cell", "prompt_id", "prompt"]


@dataclass(frozen=True)
class ValueChange:
    """One protocol's value of one cell in both runs.

    Attributes:
        difference: b - a; `low` and `high` bound its 95% interval.
        p_holm: The p-value, corrected for all cells of the protocol.
        better: The run that is significantly better, "a" or "b", or "".
        paired: Whether the images were compared prompt by prompt.
        note: Why they were not, or over which images they were.
    """

    protocol: str
    label: str
    lower_is_better: bool
    cell: str
    a: float
    a_error: float | None
    b: float
    b_error: float | None
    difference: float
    low: float | None
    high: float | None
    p_value: float | None
    p_holm: float | None
    better: str
    paired: bool
    note: str


@dataclass(frozen=True, eq=False)
class Shared:
    """The images that both runs made for the same prompt of the same cell.

    `rows` has the columns of both images.parquet, with the suffixes _a and _b.
    """

    rows: pd.DataFrame

    @property
    def same(self) -> int:
        """Number of images that are equal bit for bit."""
        return int((self.rows["sha256_a"] == self.rows["sha256_b"]).sum())

    @cached_property
    def by_cell(self) -> dict[str, pd.DataFrame]:
        """The rows by cell of run a."""
        return {str(cell): rows for cell, rows in self.rows.groupby("cell_a", sort=False)}


def shared_images(a: Path, b: Path, cells: pd.DataFrame) -> Shared | None:
    """Return the images of the pairs of cells (cell_a, cell_b); None if a run has no table of its images."""
    paths = [run / "images.parquet" for run in (a, b)]
    if not all(path.is_file() for path in paths):
        return None
    first, second = (_read(path) for path in paths)
    placed = first.add_suffix("_a").merge(cells, on="cell_a")
    left = ["cell_b", "prompt_id_a", "prompt_a"]
    return Shared(placed.merge(second.add_suffix("_b"), left_on=left, right_on=[f"{key}_b" for key in _KEYS]))


def value_changes(rows: pd.DataFrame, names: Mapping[str, str], shared: Shared | None) -> list[ValueChange]:
    """Return each value that both runs have, with p-values corrected for the cells of its protocol.

    Args:
        rows: The results of both runs and their `features_identity`, a row per cell and protocol; the columns
            have the suffixes _a and _b.
        names: Labels of the cells of run a.
        shared: The images that both runs have; None if unknown.
    """
    changes = []
    for _, group in rows.groupby("protocol_a", sort=False):
        pairs = [row for _, row in group.iterrows()]
        tests = corrected(_compared(row, shared) for row in pairs)
        changes += [_change(row, test, names[row["cell_a"]]) for row, test in zip(pairs, tests, strict=True)]
    return changes


def _compared(row: pd.Series[Any], shared: Shared | None) -> Comparison:
    """Compare b with a, image by image if they are pairs; otherwise the note says why not.

    For values of different features, the error of the difference is unknown, so they get no verdict.
    """
    old, new = (_estimate(row, side) for side in "ab")
    if differ := _made_differently(row):
        old, new = replace(old, standard_error=None), replace(new, standard_error=None)
        return replace(compare(new, old), note=differ)
    reason = _unpaired_because(row, shared)
    parts = None if reason or shared is None else _parts(row, shared)
    if parts is None:
        if old.n != new.n and row["better_a"] == "lower":
            reason = f"{old.n} and {new.n} images, and a distance depends on their number"
            old, new = replace(old, standard_error=None), replace(new, standard_error=None)
        test = compare(new, old)
        return replace(test, note=reason or test.note or "no values per image")
    of_a, of_b = (part.to_numpy() for part in (parts["a"], parts["b"]))
    whole = len(parts) == old.n == new.n
    test = compare(
        _with_parts(new, of_b, whole, list(parts["prompt"])),
        _with_parts(old, of_a, whole, list(parts["prompt"])),
    )
    return test if whole else replace(test, note=f"over the {len(parts)} images that both have")


def _with_parts(
    estimate: Estimate, parts: NDArray[np.float64], whole: bool, prompts: Sequence[str]
) -> Estimate:
    """Return the estimate with a part per image; over fewer images than it had, its value is their mean."""
    value = estimate.value if whole else float(np.mean(parts))
    return with_clusters(replace(estimate, value=value, n=len(parts), per_image=parts), prompts)


def _estimate(row: pd.Series[Any], side: str) -> Estimate:
    error = float(row[f"standard_error_{side}"])
    return Estimate(float(row[f"value_{side}"]), None if isnan(error) else error, int(row[f"n_{side}"]), None)


def _made_differently(row: pd.Series[Any]) -> str:
    """Return what differs in how the values were computed, as far as both runs record it; "" for nothing."""
    if row["metric_source_a"] != row["metric_source_b"]:
        return f"the metric's code differs: {row['metric_source_a']} and {row['metric_source_b']}"
    known = {row["features_identity_a"], row["features_identity_b"]} - {""}
    return "the extractors differ in weights or version" if len(known) > 1 else ""


def _unpaired_because(row: pd.Series[Any], shared: Shared | None) -> str:
    """Return why the images of a prompt are not pairs; "" if they are."""
    for column, words in (("seed", "seeds"), ("image_size", "image sizes")):
        if str(row[f"{column}_a"]) != str(row[f"{column}_b"]):
            return f"different start noise, {words} {row[f'{column}_a']} and {row[f'{column}_b']}"
    if row["reference_digest_a"] != row["reference_digest_b"]:
        return "different reference images"
    return "no images.parquet in both runs" if shared is None else ""


def _parts(row: pd.Series[Any], shared: Shared) -> pd.DataFrame | None:
    """Return each common image's part of both values, and its prompt; None if the parts are not known.

    A score belongs to a single image, so any common prompts will do. An influence on a distance holds only
    for the whole set; images.parquet has it divided by n - 1.
    """
    rows = shared.by_cell.get(row["cell_a"], shared.rows.iloc[:0])
    for kind in ("score", "influence"):
        names = [f"{kind}_{row['protocol_a']}_{side}" for side in "ab"]
        if not set(names) <= set(rows.columns):
            continue
        parts = rows[[*names, "prompt_a"]].dropna(subset=names).set_axis(["a", "b", "prompt"], axis=1)
        whole = len(parts) == row["n_a"] == row["n_b"]
        if len(parts) >= 2 and (kind == "score" or whole):
            unit = 1.0 if kind == "score" else len(parts) - 1.0
            return parts.assign(a=parts["a"] * unit, b=parts["b"] * unit)
    return None


def _change(row: pd.Series[Any], test: Comparison, cell: str) -> ValueChange:
    lower = bool(row["better_a"] == "lower")
    settled = test.adjusted_p is not None and test.adjusted_p < _LEVEL
    a, b = (_estimate(row, side) for side in "ab")
    return ValueChange(
        protocol=str(row["protocol_a"]),
        label=str(row["label_a"]),
        lower_is_better=lower,
        cell=cell,
        a=a.value,
        a_error=a.standard_error,
        b=b.value,
        b_error=b.standard_error,
        difference=test.difference,
        low=test.low,
        high=test.high,
        p_value=test.p_value,
        p_holm=test.adjusted_p,
        better=("b" if (test.difference < 0) == lower else "a") if settled else "",
        paired=test.paired,
        note=test.note,
    )


def _read(path: Path) -> pd.DataFrame:
    try:
        frame = pd.read_parquet(path)
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read: {one_line(error)}") from None
    missing = [name for name in [*_KEYS, "sha256"] if name not in frame.columns]
    if missing:
        raise InputError(f"{path} has no {', '.join(missing)}: score the run again")
    return frame
