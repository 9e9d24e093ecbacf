"""Several images of each prompt: they are made once, and their errors cluster by prompt."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from metrics.replicates import variance_components
from metrics.uncertainty import clustered_standard_error
from sdbench.cli import main
from sdbench.data.prompts import Prompt, prompt_by_prompt, repeated

CLIP = "clip-score-vit-l-14"
VENDI = "vendi-shapes-clip"


def test_images_of_a_prompt_become_neighbours() -> None:
    prompts = repeated([Prompt("a", "x"), Prompt("b", "x")], 3)
    assert [prompt.id for prompt in prompts] == ["a", "b", "a-image2", "b-image2", "a-image3", "b-image3"]
    assert [prompts[place].id[0] for place in prompt_by_prompt(prompts)] == list("aaabbb")
    assert prompt_by_prompt(prompts[:2]) == [0, 1]


def test_more_images_of_each_prompt(
    tiny: dict[str, Any], tmp_path: Path, run_tiny: Callable[..., Any]
) -> None:
    spec = {**tiny, "guidance_scales": [2], "unit_size": 3, "metrics": [CLIP, "fid-inception-tf"]}
    run_tiny(spec, tmp_path / "run")
    assert not (tmp_path / "run" / "variance.csv").exists()
    outcome = run_tiny(
        {**spec, "images_per_prompt": 3, "metrics": [*spec["metrics"], VENDI]}, tmp_path / "run"
    )
    assert (outcome.images_made, outcome.images_found) == (12, 6)
    images = pd.read_parquet(tmp_path / "run" / "images.parquet")
    assert images["sha256"].nunique() == 18
    assert images["prompt"].tolist() == [prompt for prompt in tiny["prompts"] for _ in range(3)]
    row = pd.read_csv(tmp_path / "run" / "results.csv").iloc[0]
    scores = images[f"score_{CLIP}"]
    assert row["value"] == pytest.approx(scores.mean())
    assert row["standard_error"] == pytest.approx(clustered_standard_error(scores, images["prompt"]))
    (parts,) = pd.read_csv(tmp_path / "run" / "variance.csv").query("protocol == @CLIP").to_dict("records")
    assert (parts["prompts"], parts["images"]) == (6, 18)
    expected = variance_components(scores, images["prompt"])
    assert parts["share_prompts"] == pytest.approx(expected.share_of_prompts)
    assert parts["share_prompts"] + parts["share_noise"] == pytest.approx(1)
    assert parts["standard_error"] == pytest.approx(row["standard_error"], rel=1e-3)
    assert parts["with_twice_images"] > parts["with_twice_prompts"] > parts["with_same_prompts"]
    table = pd.read_csv(tmp_path / "run" / "results.csv").set_index("protocol")
    diversity = images[f"score_{VENDI}"]
    assert table.loc[VENDI, "value"] == pytest.approx(diversity.mean())
    assert 1 <= diversity.min() <= diversity.max() <= 3
    assert (images.groupby("prompt", sort=False)[f"score_{VENDI}"].nunique() == 1).all()
    assert VENDI not in set(pd.read_csv(tmp_path / "run" / "variance.csv")["protocol"])
    assert run_tiny(spec, tmp_path / "run").images_made == 0
    assert pd.read_csv(tmp_path / "run" / "variance.csv").empty


@pytest.mark.parametrize("given", [0, 2.5, "four", [1, 2]])
def test_wrong_numbers_are_one_line(
    given: object, tiny: dict[str, Any], tmp_path: Path, spec_file: Callable[[dict[str, Any]], Path],
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    path = spec_file({**tiny, "images_per_prompt": given})
    assert main(["run", str(path), "--out", str(tmp_path / "run")]) == 2
    assert "images_per_prompt" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, f"images_per_prompt: {VENDI} compares images of a prompt: write 2 or more"),
        (
            {"images_per_prompt": 2, "budget": {"until": f"{CLIP} +- 0.1"}},
            f"budget: it may stop between images of a prompt, which {VENDI} compares",
        ),
    ],
)
def test_diversity_without_several_images_is_one_line(
    change: dict[str, Any], expected: str, tiny: dict[str, Any], tmp_path: Path,
    spec_file: Callable[[dict[str, Any]], Path], capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    path = spec_file({**tiny, "metrics": [CLIP, VENDI], **change})
    assert main(["run", str(path), "--out", str(tmp_path / "run")]) == 2
    assert expected in capsys.readouterr().err
    assert not (tmp_path / "run").exists()
