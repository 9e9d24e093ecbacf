"""Baselines on disk: a JSON file to read and review, and a safetensors file with the arrays.

Their names say what they hold for: cpu-float32.json, cpu-float32.safetensors.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

from sdbench.digest import digest_bytes
from sdbench.errors import InputError, one_line
from sdbench.provenance import machine
from sdbench.regression.cases import Case
from sdbench.regression.record import Record
from sdbench.regression.rounding import Budget
from sdbench.store import LocalStore

__all__ = ["Baseline", "load_baseline", "save_baseline"]

FORMAT = 1
KEY = "cpu-float32"
ARRAYS = ("x", "pred_x0", "images", "thumbnails", "features")


@dataclass(frozen=True, eq=False)
class Baseline:
    """Records of one machine and seed; ``environment`` says where and with what they were made."""

    seed: int
    records: tuple[Record, ...]
    environment: dict[str, Any] = field(default_factory=lambda: machine("cpu"))


def save_baseline(folder: Path, baseline: Baseline) -> list[Path]:
    """Write a baseline into a folder and return its two files; each is there completely or not at all."""
    store = LocalStore(folder)
    arrays = save({f"{r.case.name}/{name}": _stored(r, name) for r in baseline.records for name in ARRAYS})
    content = {
        "format": FORMAT,
        "seed": baseline.seed,
        "environment": baseline.environment,
        "arrays_sha256": digest_bytes(arrays),
        "cases": [_facts(record) for record in baseline.records],
    }
    store.write(f"{KEY}.safetensors", arrays)
    store.write(f"{KEY}.json", f"{json.dumps(content, indent=1)}\n".encode())
    return [store.path(f"{KEY}.json"), store.path(f"{KEY}.safetensors")]


def load_baseline(folder: Path) -> Baseline:
    """Read a baseline; InputError says what is missing, of another format, or damaged."""
    facts, arrays = folder / f"{KEY}.json", folder / f"{KEY}.safetensors"
    try:
        content, data = json.loads(facts.read_bytes()), arrays.read_bytes()
    except OSError as error:
        raise InputError(
            f"no baseline: {error.filename}: {error.strerror}; sdbench regress record makes one"
        ) from None
    except ValueError as error:
        raise InputError(f"{facts}: not JSON: {one_line(error)}") from None
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise InputError(f"{facts}: not a baseline of format {FORMAT}; record it again")
    if content.get("arrays_sha256") != digest_bytes(data):
        raise InputError(f"{arrays}: not the file that {facts.name} was written with; record both again")
    try:
        tensors = load(data)
        records = tuple(_record(case, tensors) for case in content["cases"])
        return Baseline(content["seed"], records, content["environment"])
    except (KeyError, TypeError, SafetensorError) as error:
        raise InputError(f"{facts}: damaged: {one_line(repr(error))}; record it again") from None


def _stored(record: Record, name: str) -> np.ndarray:
    """An array as it is stored: latents that are kept whole are float32 already."""
    array = np.ascontiguousarray(getattr(record, name))
    exact = array.dtype == np.float64 and np.array_equal(array.astype(np.float32), array)
    return array.astype(np.float32) if exact else array


def _facts(record: Record) -> dict[str, Any]:
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
        },
    }


def _short(values: np.ndarray) -> list[float]:
    return [float(f"{value:.4g}") for value in values]


def _record(facts: dict[str, Any], tensors: dict[str, np.ndarray]) -> Record:
    case = Case.of(facts["case"])
    stored = {name: tensors[f"{case.name}/{name}"] for name in ARRAYS}
    budget = facts["budget"]
    return Record(
        case=case,
        testbed=facts["testbed"],
        calls=facts["calls"],
        digests=facts["digests"],
        budget=Budget(np.array(budget["x"]), np.array(budget["pred_x0"]), budget["levels"]),
        x=stored["x"].astype(np.float64),
        pred_x0=stored["pred_x0"].astype(np.float64),
        images=stored["images"],
        thumbnails=stored["thumbnails"],
        features=stored["features"],
    )
