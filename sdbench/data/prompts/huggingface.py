"""Prompts from a Hugging Face dataset."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sdbench.core.errors import InputError, did_you_mean, one_line
from sdbench.data.rows import usable

if TYPE_CHECKING:
    from sdbench.spec import HuggingFacePrompts

__all__ = ["texts"]


def texts(spec: HuggingFacePrompts, column: str) -> list[str]:
    """Return a column's text of all rows, in order.

    Raises:
        InputError: The dataset cannot be loaded, has no such column, or has a row without text.
    """
    rows = _load(spec)
    where = f"prompts.dataset: {spec.dataset}"
    if column not in rows.column_names:
        raise InputError(f"{where} has no column {column!r}: {did_you_mean(column, rows.column_names)}")
    return [
        usable(f"{where}, row {number}", f"column {column!r}", value)
        for number, value in enumerate(rows[column], start=1)
    ]


def _load(spec: HuggingFacePrompts) -> Any:
    try:
        import datasets
    except ImportError:
        raise InputError(
            "prompts.source: huggingface needs the datasets package: pip install 'sdbench[datasets]'"
        ) from None
    if not sys.stderr.isatty():
        datasets.disable_progress_bars()
    try:
        if _is_saved(spec.dataset):
            return _split(datasets.load_from_disk(spec.dataset), spec)
        return datasets.load_dataset(spec.dataset, spec.config, split=spec.split, revision=spec.revision)
    except (datasets.exceptions.DatasetsError, OSError, ValueError, RuntimeError) as error:
        cannot = f"prompts.dataset: {spec.dataset}, split {spec.split}: cannot be loaded"
        # For a damaged file, the library's useful message is in the cause.
        why = ": ".join(one_line(each) for each in (error, error.__cause__) if each)
        raise InputError(f"{cannot}: {why}{_about_offline(datasets)}") from None


def _is_saved(dataset: str) -> bool:
    """Whether the dataset is a folder written by the library's `save_to_disk`."""
    return any((Path(dataset) / name).is_file() for name in ("dataset_dict.json", "state.json"))


def _split(saved: Any, spec: HuggingFacePrompts) -> Any:
    if not isinstance(saved, dict):  # a single unnamed split
        return saved
    if spec.split not in saved:
        raise InputError(f"prompts.split: {spec.dataset}: {did_you_mean(spec.split, saved)}")
    return saved[spec.split]


def _about_offline(datasets: Any) -> str:
    if not datasets.config.HF_HUB_OFFLINE:
        return ""
    return "; HF_HUB_OFFLINE is set, so only cached datasets are available: unset it to download this one"
