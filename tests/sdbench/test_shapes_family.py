"""The embedded family from spec to results: its real weights, extractor, prompts and reference images."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

EXPERIMENTS = Path(__file__).parents[2] / "experiments"
Run = Callable[[dict[str, Any], Path], Any]


@pytest.fixture
def small() -> dict[str, Any]:
    """The demo, cut down to two checkpoints, one scale, ten steps and a few images."""
    content = yaml.safe_load((EXPERIMENTS / "shapes-demo.yaml").read_text())
    return {
        **content,
        "checkpoints": ["shapes-v1-1", "shapes-v1-4"],
        "samplers": [{"name": "plms", "steps": 10}],
        "guidance_scales": [4],
        "prompts": {"source": "shapes", "count": 16, "seed": 1},
        "reference": {"source": "shapes", "count": 128, "seed": 2},
    }


def test_two_runs_agree_to_the_byte_and_the_last_checkpoint_follows_its_prompts_best(
    small: dict[str, Any], tmp_path: Path, run_tiny: Run
) -> None:
    run_tiny(small, tmp_path / "one")
    run_tiny(small, tmp_path / "two")
    one, two = (tmp_path / name / "results.csv" for name in ("one", "two"))
    assert one.read_bytes() == two.read_bytes()

    with one.open(encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["protocol"] for row in rows] == 2 * ["fd-shapes-clip", "kd-shapes-clip", "clip-score-shapes"]
    assert {(row["n"], row["flagged"], row["nfe"]) for row in rows} == {("16", "0", "22")}
    first, last = (float(row["value"]) for row in rows if row["protocol"] == "clip-score-shapes")
    error = max(float(row["standard_error"]) for row in rows if row["protocol"] == "clip-score-shapes")
    assert last > first + 2 * error
