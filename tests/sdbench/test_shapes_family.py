"""The embedded family from spec to results: its real weights, extractor, prompts and reference images."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
import yaml

import sdbench
from reference_model import load_checkpoint, shapes
from reference_model.noise import start_noise
from reference_model.pipeline import generate
from reference_model.shapes.reading import judge

RESULTS = Path(__file__).parents[2] / "docs" / "results" / "shapes-sweep.csv"
EXPERIMENTS = Path(__file__).parents[2] / "experiments"
Run = Callable[[dict[str, Any], Path], Any]


@pytest.fixture
def small() -> dict[str, Any]:
    """The demo, cut down to two checkpoints, one scale, 25 steps and a few images."""
    content = yaml.safe_load((EXPERIMENTS / "shapes-demo.yaml").read_text())
    return {
        **content,
        "checkpoints": ["shapes-v1-1", "shapes-v1-4"],
        "samplers": [{"name": "plms", "steps": 25}],
        "guidance_scales": [4],
        "prompts": {"source": "shapes", "count": 48, "seed": 1},
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
    assert [row["protocol"] for row in rows] == 2 * small["metrics"]
    assert {(row["n"], row["flagged"], row["nfe"]) for row in rows} == {("48", "0", "52")}
    for score in ("clip-score-shapes", "prompt-accuracy-shapes"):
        of_score = [row for row in rows if row["protocol"] == score]
        first, last = (float(row["value"]) for row in of_score)
        assert last > first + 2 * max(float(row["standard_error"]) for row in of_score), score


def test_the_batch_moves_no_pixel_by_more_than_a_level() -> None:
    """The whole way of the sweep: 50 PLMS steps at the highest scale, float32."""
    model = load_checkpoint(shapes.CHECKPOINTS["shapes-v1-4"], shapes.CONFIG)
    prompts = shapes.evaluation_prompts(32, seed=1)
    noise = torch.stack([start_noise(42, str(i), model.config.latent_shape(64, 64)) for i in range(32)])

    def sample(rows: slice) -> np.ndarray:
        context, empty = model.encode_prompts(prompts[rows]), model.encode_prompts([""])
        return generate(model, context, empty, noise[rows], steps=50, guidance_scale=8.0).numpy().astype(int)

    together = sample(slice(0, 32))
    for row in range(3):
        assert np.abs(sample(slice(row, row + 1))[0] - together[row]).max() <= 1


OPPOSITE = {" above ": " below ", " below ": " above ", " left of ": " right of ", " right of ": " left of "}


def related(captions: list[str]) -> list[tuple[int, str]]:
    """The captions of two shapes: their index, and the word for the place."""
    return [(i, place) for i, caption in enumerate(captions) for place in OPPOSITE if place in caption]


def test_the_score_sees_which_shape_lies_where() -> None:
    images, captions = shapes.reference_set(256, seed=3)
    pairs = related(captions)
    pictures = images[[i for i, _ in pairs]]
    own = sdbench.clip_score(pictures, [captions[i] for i, _ in pairs], protocol="clip-score-shapes")
    swapped = [captions[i].replace(place, OPPOSITE[place]) for i, place in pairs]
    other = sdbench.clip_score(pictures, swapped, protocol="clip-score-shapes")
    assert own.per_image is not None
    assert other.per_image is not None
    assert np.mean(own.per_image > other.per_image) > 0.97


def test_the_last_checkpoint_draws_shapes_where_the_prompt_says() -> None:
    model = load_checkpoint(shapes.CHECKPOINTS["shapes-v1-4"], shapes.CONFIG)
    captions = shapes.evaluation_prompts(96, seed=4)
    prompts = [captions[i] for i, _ in related(captions)][:40]
    noise = torch.stack([start_noise(7, str(i), model.config.latent_shape(64, 64)) for i in range(40)])
    context, empty = model.encode_prompts(prompts), model.encode_prompts([""])
    images = generate(model, context, empty, noise, steps=25, guidance_scale=5.0).numpy()
    verdicts = [dict(verdict)["place"] for verdict in judge(images, prompts)]
    assert len(verdicts) == 40
    assert np.mean(verdicts) >= 0.85


@pytest.fixture(scope="module")
def curves() -> dict[str, pd.DataFrame]:
    """The stored sweep of 512 images a cell: per checkpoint, guidance scale x protocol."""
    results = pd.read_csv(RESULTS)
    assert set(results["n"]) == {512}
    return {
        name: rows.pivot(index="guidance_scale", columns="protocol", values="value").sort_index()
        for name, rows in results.groupby("checkpoint")
    }


def test_the_stored_curves_show_what_the_published_ones_show(curves: dict[str, pd.DataFrame]) -> None:
    for name, curve in curves.items():
        score, distance = curve["clip-score-shapes"], curve["fd-shapes-clip"]
        assert score.loc[3] > score.loc[1.5] + 0.02, name
        assert abs(score.loc[8] - score.loc[4]) < score.loc[4] - score.loc[1.5], f"{name} saturates"
        assert distance.loc[8] > distance.min() * 1.05, f"{name}: the distance rises again"
    best = {name: curve["fd-shapes-clip"].min() for name, curve in curves.items()}
    top = {name: curve["clip-score-shapes"].max() for name, curve in curves.items()}
    right = [curve["prompt-accuracy-shapes"].max() for _, curve in sorted(curves.items())]
    assert right == sorted(right)
    later = ["shapes-v1-2", "shapes-v1-3", "shapes-v1-4"]
    assert all(best["shapes-v1-1"] > best[name] and top["shapes-v1-1"] < top[name] for name in later)
    assert all(top[name] > top["shapes-v1-2"] for name in later[1:])
