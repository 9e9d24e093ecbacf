"""Result rows and a run folder made by hand: the values of a sweep, without a model."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from reports.page import write_page

SCALES = (1.5, 2.0, 3.0, 5.0, 8.0)
DISTANCES = {"v1": (9.0, 6.0, 4.0, 4.5, 6.0), "v2": (1.2, 1.0, 1.4, 2.0, 2.4)}
SCORES = {"v1": (0.25, 0.32, 0.42, 0.48, 0.47), "v2": (0.55, 0.61, 0.66, 0.68, 0.65)}
PROMPTS = ("a large red circle", "a <small> blue & square", "two green stars")

MakeRun = Callable[..., Path]


def row(checkpoint: str, scale: float, protocol: str, value: float, error: float) -> dict[str, object]:
    distance = protocol.startswith("fd")
    return {
        "cell": f"{checkpoint}_s{scale:g}",
        "curve": checkpoint,
        "checkpoint": checkpoint,
        "sampler": "plms",
        "steps": 50,
        "eta": 0.0,
        "guidance_scale": scale,
        "protocol": protocol,
        "label": "Fréchet distance (test features)" if distance else "CLIP score (test model)",
        "better": "lower" if distance else "higher",
        "value": value,
        "standard_error": error,
        "note": "",
        "n": 512,
        "flagged": 0,
        "nfe": 102,
        "image_size": "64x64",
        "seed": 42,
        "precision": "full",
        "batch_size": "32",
        "device": "cpu (x86_64)",
        "weights_digest": "0123",
        "spec_digest": "4567",
        "versions": "sdbench=0.1.0 torch=2.0",
        "prompts_digest": "",
        "reference_digest": "",
        "guided_by": "guidance_scale",
        "negative_prompt": "",
        "metric_source": "",
        "guidance": "cfg",
    }


def build_results() -> pd.DataFrame:
    """Return two checkpoints at five scales, a distance and a score each: 20 rows."""
    rows = []
    for name in DISTANCES:
        for scale, distance, score in zip(SCALES, DISTANCES[name], SCORES[name], strict=True):
            rows.append(row(name, scale, "fd-test", distance, 0.05))
            rows.append(row(name, scale, "clip-score-test", score, 0.004))
    return pd.DataFrame(rows)


def build_run(run: Path, rows: pd.DataFrame, images: bool = True) -> Path:
    """Write a run folder of these results, with an image of one colour per cell and prompt."""
    run.mkdir(exist_ok=True)
    rows.to_csv(run / "results.csv", index=False)
    ids = [f"p{place}" for place in range(len(PROMPTS))]
    cells = list(dict.fromkeys(rows["cell"]))
    prompts = pd.DataFrame({"prompt_id": ids, "prompt": PROMPTS})
    pd.concat([prompts.assign(cell=cell) for cell in cells]).to_parquet(run / "images.parquet")
    for number, cell in enumerate(cells):
        if images:
            pictures = run / "images" / cell
            pictures.mkdir(parents=True)
            for place, prompt_id in enumerate(ids):
                pixels = np.full((8, 8, 3), (number * 20, place * 100, 255), dtype=np.uint8)
                Image.fromarray(pixels).save(pictures / f"{prompt_id}.png")
    manifest = {
        "name": "test",
        "spec_digest": "4567",
        "cells": [{"cell": cell} for cell in cells],
        "finished": "2026-01-02T03:04:05+00:00",
        "command": "sdbench run test.yaml",
        "seconds": {"generate": 12.5, "score": 0.5},
    }
    (run / "manifest.json").write_text(json.dumps(manifest))
    (run / "spec.yaml").write_text("name: test\nguidance_scales: [1.5, 2]\n")
    return run


def add_scores(run: Path) -> Path:
    """Write the other tables of scoring: v1 and v2 differ, scales 2 and 1.5 of v2 do not."""
    _add_answers(run)
    results = pd.read_csv(run / "results.csv")
    cells = list(dict.fromkeys(results["cell"]))
    pairs = []
    for protocol, rows in results.groupby("protocol", sort=False):
        value = rows.set_index("cell")["value"]
        for place, a in enumerate(cells):
            for b in cells[place + 1 :]:
                gap, error = value[a] - value[b], 0.1 if protocol == "fd-test" else 0.006
                p = math.erfc(abs(gap / error) / math.sqrt(2))
                ends = {"low": gap - 1.96 * error, "high": gap + 1.96 * error}
                tests = {"p_value": p, "p_holm": min(1.0, 45 * p), "detectable": 2.8 * error}
                row = {"protocol": protocol, "a": a, "b": b, "difference": gap, "standard_error": error}
                pairs.append(row | ends | tests | {"n": 512, "note": ""})
    pd.DataFrame(pairs).to_csv(run / "comparisons.csv", index=False)
    x, y = (results[results["better"] == side].set_index("cell")["value"] for side in ("higher", "lower"))
    shape = {"xx": 4e-5, "xy": -1e-4, "yy": 0.01, "radius": 3.0}
    axes = {"x_protocol": "clip-score-test", "y_protocol": "fd-test"}
    regions = [{"cell": cell, **axes, "x": x[cell], "y": y[cell], **shape} for cell in cells]
    pd.DataFrame(regions).to_csv(run / "regions.csv", index=False)
    ahead = [("v1", "v2", 0.0, 512), ("v2", "v1", 0.997, 512)]
    pd.DataFrame(ahead, columns=["a", "b", "probability", "n"]).to_csv(run / "dominance.csv", index=False)
    _protocols().to_csv(run / "protocols.csv", index=False)
    flagged = [("v1_s2", "p1", "black", ""), ("v1_s8", "p2", "near duplicate, constant", "p0")]
    pd.DataFrame(flagged, columns=["cell", "image", "flags", "like"]).to_csv(run / "flagged.csv", index=False)
    _images(cells, x).to_parquet(run / "images.parquet")
    return run


def _add_answers(run: Path) -> None:
    """Write best.csv and curves.csv, as independent normal tests would have them."""
    results = pd.read_csv(run / "results.csv")
    best, curves, scales = [], [], []
    for protocol, rows in results.groupby("protocol", sort=False):
        value, error = rows.set_index("cell")["value"], 0.1 if protocol == "fd-test" else 0.006
        sign = 1 if protocol == "fd-test" else -1
        for cell, gap in (sign * (value - (sign * value).min() * sign)).items():
            p = min(1.0, 4.5 * math.erfc(gap / error / math.sqrt(2)))
            needed = math.nan if gap == 0 else 512 * (3.7 * error / gap) ** 2
            row = {"protocol": protocol, "cell": cell, "p_best": p, "n": 512}
            best.append(row | {"needed": needed, "needed_low": needed / 2, "needed_high": 3 * needed})
        means = rows.groupby("curve")["value"].mean()
        gap = means["v1"] - means["v2"]
        tests = {"standard_error": error, "low": gap - 2 * error, "high": gap + 2 * error, "p_value": 1e-9}
        tests |= {"p_holm": 1e-9, "needed": 12.0, "needed_low": 6.0, "needed_high": 36.0}
        tests |= {"scales": 5, "n": 512, "note": ""}
        curves.append({"protocol": protocol, "a": "v1", "b": "v2", "difference": gap, **tests})
        for curve, low, at, high in (("v1", 2.44, 3.21, 4.56), ("v2", 1.5, 2.04, 2.62)):
            known = {"value": rows["value"].min(), "standard_error": error, "scales": 5, "n": 512, "note": ""}
            scales.append(
                {"protocol": protocol, "curve": curve, "scale": at, "low": low, "high": high, **known}
            )
    pd.DataFrame(best).to_csv(run / "best.csv", index=False)
    pd.DataFrame(curves).to_csv(run / "curves.csv", index=False)
    pd.DataFrame(curves).to_csv(run / "own_bests.csv", index=False)
    pd.DataFrame(scales).to_csv(run / "best_scales.csv", index=False)


def _protocols() -> pd.DataFrame:
    known = {"version": 1, "agrees_with": "nobody", "dimension": 64, "notes": "the mean of it"}
    rows = [
        {"protocol": "fd-test", "resize": "to 64x64", "quantisation": "none", "extractor": "net-a"},
        {"protocol": "clip-score-test", "resize": "to 32x32", "quantisation": "8 bits", "extractor": "net-b"},
    ]
    return pd.DataFrame([row | known for row in rows])


def _images(cells: list[str], score: pd.Series) -> pd.DataFrame:
    """Return a row per image; the first prompt has the highest score, the last the largest influence."""
    rows = [
        {
            "cell": cell,
            "prompt_id": f"p{place}",
            "prompt": prompt,
            "seed": 42,
            "sha256": "00",
            "flags": "",
            "score_clip-score-test": score[cell] - 0.1 * place,
            "influence_fd-test": 0.01 * place - 0.005,
        }
        for cell in cells
        for place, prompt in enumerate(PROMPTS)
    ]
    return pd.DataFrame(rows)


@pytest.fixture
def results() -> pd.DataFrame:
    """Return the rows of build_results."""
    return build_results()


@pytest.fixture
def make_run(tmp_path: Path) -> MakeRun:
    """Return a function that builds a run folder, optionally of other rows or without images."""

    def make(rows: pd.DataFrame | None = None, images: bool = True) -> Path:
        return build_run(tmp_path / "test-run", build_results() if rows is None else rows, images)

    return make


@pytest.fixture
def scored_run(tmp_path: Path) -> Path:
    """Return a run folder with all tables of scoring."""
    return add_scores(build_run(tmp_path / "scored-run", build_results()))


@pytest.fixture(scope="session")
def scored_page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the page of a run with all tables of scoring, made once for tests that only read it."""
    return write_page(add_scores(build_run(tmp_path_factory.mktemp("runs") / "scored-run", build_results())))


@pytest.fixture(scope="session")
def page_text(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return the page of a run whose only table is results.csv, made once for tests that only read it."""
    run = build_run(tmp_path_factory.mktemp("runs") / "test-run", build_results())
    (run / "images.parquet").unlink()
    page = write_page(run)
    assert page == run / "report" / "index.html"
    return page.read_text(encoding="utf-8")
