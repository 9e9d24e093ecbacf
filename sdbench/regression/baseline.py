"""Baselines on disk: a JSON file to read and review, and a safetensors file with the arrays.

The files are named after their platform: cpu-float32.json, cpu-float32.safetensors. A folder may contain
baselines of several platforms.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load, save

from sdbench.core.digest import digest_bytes, digest_value
from sdbench.core.errors import InputError, one_line
from sdbench.core.json import load_json
from sdbench.regression.cases import Case
from sdbench.regression.platforms import Platform
from sdbench.regression.record import CaseRecord
from sdbench.regression.rounding import ErrorBudget
from sdbench.runs.store import LocalStore

__all__ = ["Baseline", "baseline_files", "load_baseline", "save_baseline"]

FORMAT = 2
ARRAYS = ("x", "pred_x0", "images", "thumbnails", "features")


@dataclass(frozen=True, eq=False)
class Baseline:
    """Records of one platform and seed.

    Attributes:
        seed: Seed of all noise.
        records: One per case.
        environment: The machine and package versions that made the records.
        platform: Device and precision.
        sources: The source of each sampler that is not built in, by name.
    """

    seed: int
    records: tuple[CaseRecord, ...]
    environment: dict[str, Any]
    platform: Platform
    sources: dict[str, str]


def baseline_files(folder: Path, platform: Platform) -> list[Path]:
    """Return the JSON file and the arrays of the baseline of a platform."""
    return [folder / f"{platform.key}.json", folder / f"{platform.key}.safetensors"]


def save_baseline(folder: Path, baseline: Baseline) -> list[Path]:
    """Write a baseline to a folder and return its two files; each is written completely or not at all."""
    store = LocalStore(folder)
    arrays = save({f"{r.case.name}/{name}": _stored(r, name) for r in baseline.records for name in ARRAYS})
    key = baseline.platform.key
    content = {
        "format": FORMAT,
        "platform": asdict(baseline.platform),
        "seed": baseline.seed,
        "sources": baseline.sources,
        "environment": baseline.environment,
        "arrays_sha256": digest_bytes(arrays),
        "cases": [_facts(record) for record in baseline.records],
    }
    content["sha256"] = digest_value(content)
    store.write(f"{key}.safetensors", arrays)
    store.write(f"{key}.json", f"{json.dumps(content, indent=1)}\n".encode())
    return baseline_files(folder, baseline.platform)


def load_baseline(folder: Path, platform: Platform | None = None) -> Baseline:
    """Read the baseline of a platform (default: cpu-float32).

    Raises:
        InputError: The baseline is missing, damaged, or of another format.
    """
    platform = platform or Platform()
    facts, arrays = baseline_files(folder, platform)
    try:
        content, data = load_json(facts.read_bytes()), arrays.read_bytes()
    except OSError as error:
        raise InputError(_absent(folder, platform, error)) from None
    except ValueError as error:
        raise InputError(f"{facts}: not JSON: {one_line(error)}") from None
    version = content.get("format") if isinstance(content, dict) else None
    if version != FORMAT:
        raise InputError(f"{facts}: baseline has format {version}, not {FORMAT}; record it again")
    if content.pop("sha256", None) != digest_value(content):
        raise InputError(f"{facts}: changed since it was written; record it again")
    if content["arrays_sha256"] != digest_bytes(data):
        raise InputError(f"{arrays}: does not belong to {facts.name}; record both again")
    tensors = load(data)
    try:
        records = tuple(_record(case, tensors) for case in content["cases"])
        return Baseline(content["seed"], records, content["environment"], platform, content["sources"])
    except (AttributeError, KeyError, TypeError, ValueError):
        raise InputError(f"{facts}: is not the baseline that its digest says; record it again") from None


def _absent(folder: Path, platform: Platform, error: OSError) -> str:
    others = sorted(path.stem for path in folder.glob("*-*.json"))
    if others and isinstance(error, FileNotFoundError):
        words = f"no baseline for {platform.key} in {folder}, only for {', '.join(others)}"
    else:
        words = f"no baseline: {error.filename}: {error.strerror}"
    options = f" --device {platform.device} --dtype {platform.dtype}" if platform != Platform() else ""
    return f"{words}; create one with sdbench regress record{options}"


def _stored(record: CaseRecord, name: str) -> np.ndarray:
    """Return an array as it is stored: as float32 if that is exact, which holds for unprojected latents."""
    array = np.ascontiguousarray(getattr(record, name))
    exact = array.dtype == np.float64 and np.array_equal(array.astype(np.float32), array)
    return array.astype(np.float32) if exact else array


def _facts(record: CaseRecord) -> dict[str, Any]:
    return {
        "name": record.case.name,
        "case": asdict(record.case),
        "testbed": record.testbed,
        "calls": record.calls,
        "digests": record.digests,
        "budget": {
            "x": _short(record.budget.x),
            "pred_x0": _short(record.budget.pred_x0),
            "levels": record.budget.levels,
            "strays": record.budget.strays,
        },
    }


def _short(values: np.ndarray) -> list[float]:
    return [float(f"{value:.4g}") for value in values]


def _record(facts: dict[str, Any], tensors: dict[str, np.ndarray]) -> CaseRecord:
    case = Case.of(facts["case"])
    stored = {name: tensors[f"{case.name}/{name}"] for name in ARRAYS}
    budget = facts["budget"] | {name: np.array(facts["budget"][name]) for name in ("x", "pred_x0")}
    return CaseRecord(
        case=case,
        testbed=facts["testbed"],
        calls=facts["calls"],
        digests=facts["digests"],
        budget=ErrorBudget(**budget),
        x=stored["x"].astype(np.float64),
        pred_x0=stored["pred_x0"].astype(np.float64),
        images=stored["images"],
        thumbnails=stored["thumbnails"],
        features=stored["features"],
    )
