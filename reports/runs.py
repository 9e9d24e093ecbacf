"""What a report takes from a run folder besides the results: manifest, spec, prompts and images."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image

from reports.errors import ReportError
from reports.rows import CELL, curve_names

__all__ = ["GridSource", "grid_source", "provenance", "read_manifest"]


@dataclass(frozen=True)
class GridSource:
    """The arguments of reports.grid.image_grid: images by (checkpoint, scale), and the prompts."""

    images: dict[tuple[str, float], list[NDArray[np.uint8] | None]]
    prompts: list[str]


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


def grid_source(run: Path, manifest: Mapping[str, Any], count: int) -> GridSource | None:
    """Return the images of the first ``count`` prompts that have any, in the run's order; None without.

    ``manifest["cells"]`` says which folder belongs to which cell. The prompts are the first ones: picked by
    place, not by looks. An image that was not kept is None.
    """
    cells = pd.DataFrame(manifest.get("cells", []))
    if cells.empty:
        return None
    missing = [name for name in ["cell", *CELL, "units"] if name not in cells.columns]
    if missing:
        raise ReportError(f"{run / 'manifest.json'}: the cells have no {', '.join(missing)}")
    curves = curve_names(cells)
    folders = list(cells["cell"])
    prompts = [
        (name, text)
        for name, text in _prompts(run, folders[0], cells["units"].iloc[0])
        if any((run / "images" / folder / f"{name}.png").is_file() for folder in folders)
    ][:count]
    if not prompts:
        return None
    images = {
        (str(curve), float(scale)): [
            _read_image(run / "images" / folder / f"{name}.png") for name, _ in prompts
        ]
        for curve, scale, folder in zip(curves, cells["guidance_scale"], folders, strict=True)
    }
    return GridSource(images, [text for _, text in prompts])


def provenance(manifest: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the manifest as pairs of words and text, a line for each nested entry; without the cells."""
    return [(name.replace("_", " "), _as_text(value)) for name, value in manifest.items() if name != "cells"]


def _prompts(run: Path, folder: str, units: Sequence[str]) -> list[tuple[str, str]]:
    """Return (prompt id, prompt) of a cell's units in their order; all cells have the same.

    The folder may hold other shards beside them, of an earlier spec with other prompts.
    """
    shards = [path for name in units if (path := run / "shards" / folder / f"{name}.parquet").is_file()]
    if not shards:
        return []
    try:
        frame = pd.concat([pd.read_parquet(path, columns=["prompt_id", "prompt"]) for path in shards])
    except (OSError, ValueError) as error:
        raise ReportError(f"{run}: a shard of {folder} cannot be read: {error}") from error
    return list(zip(frame["prompt_id"].astype(str), frame["prompt"].astype(str), strict=True))


def _read_image(path: Path) -> NDArray[np.uint8] | None:
    if not path.is_file():
        return None
    try:
        with Image.open(path) as image:
            return np.asarray(image.convert("RGB"), dtype=np.uint8)
    except OSError as error:
        raise ReportError(f"{path} cannot be read as an image: {error}") from error


def _as_text(value: object) -> str:
    if isinstance(value, Mapping):
        return "\n".join(f"{name}: {_as_text(entry)}" for name, entry in value.items())
    if isinstance(value, Sequence) and not isinstance(value, str):
        return "\n".join(map(_as_text, value))
    return str(value)
