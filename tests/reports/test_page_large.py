"""A report of 32 cells x 10,000 images: under 15 MB, in under 30 s."""

from __future__ import annotations

import json
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from reports.page import write_page

CELLS, IMAGES, SHOWN, PICTURES = 32, 10_000, 16, 8
SCALES = (1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0)


@pytest.mark.slow
def test_a_full_size_report_is_small_and_quick(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = build(tmp_path / "run")
    start = time.perf_counter()
    size = write_page(run).stat().st_size
    seconds = time.perf_counter() - start
    with capsys.disabled():
        print(f"\n{CELLS} cells x {IMAGES:,} images: {seconds:.1f} s, {size / 1e6:.1f} MB")
    assert size < 15_000_000
    assert seconds < 30


def build(run: Path) -> Path:
    """Write a run of Stable Diffusion's size: each cell keeps the images that the page wants, 512 x 512."""
    rng = np.random.default_rng(0)
    settings = [(f"sd-v1-{version}", scale) for version in range(1, 5) for scale in SCALES]
    cells = [
        {"cell": f"{name}_s{scale:g}", "curve": name, "checkpoint": name}
        | {"sampler": "plms", "steps": 50, "eta": 0.0, "guidance_scale": scale}
        for name, scale in settings
    ]
    ids = [f"{number:012d}" for number in range(IMAGES)]
    pictures = _pictures(run / "pictures", rng)
    rows, images, pairs = [], [], []
    for place, cell in enumerate(cells):
        scores, influences = rng.normal(0.26, 0.03, IMAGES), rng.gamma(1, 0.0004, IMAGES)
        kept = {
            *range(SHOWN),
            *np.argsort(scores)[:4],
            *np.argsort(scores)[-4:],
            *np.argsort(influences)[-6:],
        }
        folder = run / "images" / str(cell["cell"])
        folder.mkdir(parents=True)
        for number in kept:
            (folder / f"{ids[number]}.png").hardlink_to(pictures[number % PICTURES])
        rows += [
            _row(cell, "fid-test", "lower", 20.0 - place / 10),
            _row(cell, "clip-score-test", "higher", 0.26),
        ]
        columns = {"prompt_id": ids, "prompt": [f"prompt number {number}" for number in range(IMAGES)]}
        values = {"score_clip-score-test": scores, "influence_fid-test": influences}
        images.append(pd.DataFrame({"cell": cell["cell"], **columns, **values}))
        pairs += [
            _pair(cell["cell"], other["cell"], place, later)
            for later, other in enumerate(cells)
            if later > place
        ]
    pd.DataFrame(rows).to_csv(run / "results.csv", index=False)
    pd.DataFrame(pairs).to_csv(run / "comparisons.csv", index=False)
    pd.concat(images).to_parquet(run / "images.parquet")
    manifest = {"name": "full size", "cells": cells, "finished": "2026-01-02T03:04:05+00:00"}
    manifest["seconds"] = {"generate": 9000.0}
    (run / "manifest.json").write_text(json.dumps(manifest))
    (run / "spec.yaml").write_text("name: full size\n")
    return run


def _pictures(folder: Path, rng: np.random.Generator) -> list[Path]:
    """Return PNG files of 512 x 512 pixels with the detail of photographs; cells link to them."""
    folder.mkdir(parents=True)
    paths = [folder / f"{number}.png" for number in range(PICTURES)]
    for path in paths:
        coarse = Image.fromarray(rng.integers(0, 256, (16, 16, 3), dtype=np.uint8))
        picture = np.asarray(coarse.resize((512, 512), Image.Resampling.BICUBIC), dtype=np.int16)
        grainy = picture + rng.integers(-12, 13, picture.shape, dtype=np.int16)
        Image.fromarray(grainy.clip(0, 255).astype(np.uint8)).save(path, compress_level=1)
    return paths


def _row(cell: dict[str, object], protocol: str, better: str, value: float) -> dict[str, object]:
    texts = dict.fromkeys(["note", "weights_digest", "spec_digest", "versions", "prompts_digest"], "")
    metric = {
        "protocol": protocol,
        "label": protocol,
        "better": better,
        "value": value,
        "standard_error": 0.01,
    }
    made = {"n": IMAGES, "flagged": 0, "nfe": 102, "image_size": "512x512", "seed": 42, "precision": "full"}
    return cell | texts | metric | made | {"batch_size": "8", "device": "cpu", "reference_digest": ""}


def _pair(a: object, b: object, place: int, later: int) -> dict[str, object]:
    gap = (later - place) / 10
    ends = {"low": gap - 0.3, "high": gap + 0.3, "p_value": 0.01, "p_holm": 0.04, "detectable": 0.4}
    names = {"protocol": "fid-test", "a": a, "b": b, "note": "", "n": IMAGES}
    return names | {"difference": gap, "standard_error": 0.15} | ends
