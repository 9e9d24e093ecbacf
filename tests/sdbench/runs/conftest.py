"""A scored run as small as trackers and cards allow."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import yaml
from PIL import Image

from sdbench.runs.store import LocalStore
from sdbench.runs.tables import ResultRow, write_images, write_results

Scored = Callable[[dict[str, Any]], Path]


def row(scale: float, protocol: str, value: float, error: float | None) -> ResultRow:
    known: dict[str, Any] = {
        "cell": f"sd-v1-4_plms50_s{scale:g}",
        "curve": "sd-v1-4",
        "checkpoint": "sd-v1-4",
        "sampler": "plms",
        "steps": 50,
        "eta": 0.0,
        "guidance_scale": scale,
        "protocol": protocol,
        "label": f"label of {protocol}",
        "better": "lower",
        "value": value,
        "standard_error": error,
        "n": 8,
        "flagged": 0,
        "nfe": 102,
        "seed": 1,
        "precision": "full",
        "image_size": "64x64",
        "device": "cpu",
    }
    return ResultRow(**{name: known.get(name, "") for name in ResultRow.__dataclass_fields__})


def png(colour: str) -> bytes:
    sink = io.BytesIO()
    Image.new("RGB", (20, 10), colour).save(sink, "PNG")
    return sink.getvalue()


@pytest.fixture
def scored(tmp_path: Path) -> Scored:
    """The folder of a scored run of one checkpoint at two scales, with a plot and an image."""

    def make(tracker: dict[str, Any]) -> Path:
        content = {
            "name": "sweep",
            "checkpoints": ["sd-v1-4"],
            "samplers": [{"name": "plms", "steps": 50}],
            "guidance_scales": [1.5, 7],
            "prompts": ["a cat"],
            "image_size": 64,
            "seed": 1,
            "batch_size": 4,
            "unit_size": 4,
            "metrics": ["clip-score-vit-l-14"],
            "records": [tracker],
        }
        folder = tmp_path / "run"
        store = LocalStore(folder)
        store.write("spec.yaml", yaml.safe_dump(content).encode())
        rows = [row(1.5, "fid", 20.5, 0.25), row(1.5, "clip", 0.25, 0.5), row(7, "fid", 12.0, None)]
        write_results(store, rows)
        store.write("report/plane.png", png("red"))
        cells = ["sd-v1-4_plms50_s1.5", "sd-v1-4_plms50_s7"]
        manifest = {"name": "sweep", "cells": [{"cell": cell} for cell in cells], "finished": "2026-01-02"}
        store.write("manifest.json", json.dumps(manifest).encode())
        write_images(store, pa.table({"cell": cells, "prompt_id": ["p", "p"], "prompt": ["a cat", "a cat"]}))
        store.write(f"images/{cells[0]}/p.png", png("green"))
        return folder

    return make
