"""Every figure of two runs, compared: prompt by prompt where prompts and start noise agree."""

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
    """One protocol's figure of one cell in both runs; `difference` is b - a with its 95% interval.

    `p_holm` is corrected for all cells of the protocol. `better` names the run that is better beyond doubt
    ("a", "b" or ""). `paired` says whether the images were compared prompt by prompt; `note` why not.
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
    """The images of both runs that were made for the same prompt of the same cell.

    `rows` are the columns of images.parquet of both, with the endings _a and _b.
    """

    rows: pd.DataFrame

    @property
    def same(self) -> int:
        """How many are equal bit for bit."""
        return int((self.rows["sha256_a"] == self.rows["sha256_b"]).sum())

    @cached_property
    def by_cell(self) -> dict[str, pd.DataFrame]:
        """The rows of each cell of run a."""
        return {str(cell): rows for cell, rows in self.rows.groupby("cell_a", sort=False)}


def shared_images(a: Path, b: Path, cells: pd.DataFrame) -> Shared | None:
    """The images of these pairs of cells (cell_a, cell_b); None where a run keeps no table of its images."""
    paths = [run / "images.parquet" for run in (a, b)]
    if not all(path.is_file() for path in paths):
        return None
    first, second = (_read(path) for path in paths)
    placed = first.add_suffix("_a").merge(cells, on="cell_a")
    left = ["cell_b", "prompt_id_a", "prompt_a"]
    return Shared(placed.merge(second.add_suffix("_b"), left_on=left, right_on=[f"{key}_b" for key in _KEYS]))


def value_changes(rows: pd.DataFrame, names: Mapping[str, str], shared: Shared | None) -> list[ValueChange]:
    """Each figure that both runs have, with p-values corrected for the cells of its protocol.

    `rows` are the results of both runs, a row per cell and protocol, with `features_identity`, their columns
    ending in _a and _b; `names` are the cells of run a in words.
    """
    changes = []
    for _, group in rows.groupby("protocol_a", sort=False):
        pairs = [row for _, row in group.iterrows()]
        tests = corrected(_compared(row, shared) for row in pairs)
        changes += [_change(row, test, names[row["cell_a"]]) for row, test in zip(pairs, tests, strict=True)]
    return changes


def _compared(row: pd.Series[Any], shared: Shared | None) -> Comparison:
    """Compare b with a, image by image where they are pairs; the note says why they are not.

    Figures of other features have no error of their difference, so no verdict comes of them.
    """
    old, new = (_estimate(row, side) for side in "ab")
    if _features_differ(row):
        old, new = replace(old, standard_error=None), replace(new, standard_error=None)
        return replace(compare(new, old), note="the extractors differ: other weights, or another version")
    reason = _unpaired_because(row, shared)
    parts = None if reason or shared is None else _parts(row, shared)
    if parts is None:
        if old.n != new.n and row["better_a"] == "lower":
            reason = f"{old.n} and {new.n} images, and a distance depends on their number"
            old, new = replace(old, standard_error=None), replace(new, standard_error=None)
        test = compare(new, old)
        return replace(test, note=reason or test.note or "no figures per image")
    of_a, of_b = (part.to_numpy() for part in (parts["a"], parts["b"]))
    whole = len(parts) == old.n == new.n
    test = compare(
        _with_parts(new, of_b, whole, list(parts["prompt"])),
        _with_parts(old, of_a, whole, list(parts["prompt"])),
    )
    return test if whole else replace(test, note=f"over the {len(parts)} images that both have")


def _with_parts(
    figure: Estimate, parts: NDArray[np.float64], whole: bool, prompts: Sequence[str]
) -> Estimate:
    """The figure with its images' parts; of fewer prompts than it was made of, the mean over those."""
    value = figure.value if whole else float(np.mean(parts))
    return with_clusters(replace(figure, value=value, n=len(parts), per_image=parts), prompts)


def _estimate(row: pd.Series[Any], side: str) -> Estimate:
    error = float(row[f"standard_error_{side}"])
    return Estimate(float(row[f"value_{side}"]), None if isnan(error) else error, int(row[f"n_{side}"]), None)


def _features_differ(row: pd.Series[Any]) -> bool:
    """Whether both runs say what made the features, and say otherwise."""
    known = {row["features_identity_a"], row["features_identity_b"]} - {""}
    return len(known) > 1


def _unpaired_because(row: pd.Series[Any], shared: Shared | None) -> str:
    """Why images of one prompt are no pairs; "" where they are."""
    for column, words in (("seed", "seeds"), ("image_size", "image sizes")):
        if str(row[f"{column}_a"]) != str(row[f"{column}_b"]):
            return f"other start noise, {words} {row[f'{column}_a']} and {row[f'{column}_b']}"
    if row["reference_digest_a"] != row["reference_digest_b"]:
        return "other reference images"
    return "no images.parquet in both runs" if shared is None else ""


def _parts(row: pd.Series[Any], shared: Shared) -> pd.DataFrame | None:
    """What each common image contributes to both figures, and its prompt; None where that is not known.

    Scores are values of an image by itself, so any prompts in common will do. Influences on a distance hold
    for the whole set only; they are kept divided by n - 1.
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
