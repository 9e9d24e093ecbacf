"""Results for the Hugging Face Hub, read by its own library: a card's block and a model's `.eval_results`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from sdbench.cli import main

Scored = Callable[[dict[str, Any]], Path]


def test_the_model_index_of_a_card(scored: Scored, capsys: pytest.CaptureFixture[str]) -> None:
    from huggingface_hub import ModelCard

    folder = scored({"to": "mlflow"})
    assert main(["records", str(folder), "--model-index", "sd-v1-4"]) == 0
    block = capsys.readouterr().out
    results = ModelCard(f"---\n{block}---\n").data.eval_results
    assert [(r.metric_type, r.metric_value) for r in results] == [
        ("fid", 20.5),
        ("clip", 0.25),
        ("fid", 12.0),
    ]
    assert {r.dataset_name for r in results} == {"prompts of the spec"}
    first = results[0]
    assert first.metric_name == "label of fid"
    assert first.metric_args == {
        "protocol": "fid",
        "n": 8,
        "standard_error": 0.25,
        "sampler": "plms",
        "steps": 50,
        "eta": 0.0,
        "guidance_scale": 1.5,
        "image_size": "64x64",
        "seed": 1,
        "precision": "full",
        "nfe": 102,
        "device": "cpu",
    }
    assert main(["records", str(folder), "--model-index", "sd-v1-5"]) == 2
    assert "has no results of 'sd-v1-5': did you mean 'sd-v1-4'?" in capsys.readouterr().err


def test_the_eval_results_of_a_model(scored: Scored, capsys: pytest.CaptureFixture[str]) -> None:
    hub = pytest.importorskip("huggingface_hub", minversion="1.4")  # the first one that reads the format
    folder = scored({"to": "mlflow"})
    assert main(["records", str(folder), "--eval-results", "sd-v1-4", "--dataset", "me/prompts"]) == 0
    fid, clip = hub.parse_eval_result_entries(yaml.safe_load(capsys.readouterr().out))
    assert (fid.dataset_id, fid.task_id, fid.value) == ("me/prompts", "fid", 12.0)
    assert fid.notes == (
        "label of fid: standard error not known, n = 8; sd-v1-4 at guidance scale 7, the best of 2 cells; "
        "plms, 50 steps, 64x64 pixels, seed 1, full precision"
    )
    assert (clip.task_id, clip.value) == ("clip", 0.25)
    assert "standard error 0.5, n = 8; sd-v1-4 at guidance scale 1.5; plms" in clip.notes


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (["--eval-results", "sd-v1-4"], "needs --dataset OWNER/NAME"),
        (["--eval-results", "sd-v1-4", "--dataset", "a/b/c"], "'a/b/c' is no id of a Hub data set"),
        (["--eval-results", "sd-v1-5", "--dataset", "a/b"], "did you mean 'sd-v1-4'?"),
        (["--dataset", "a/b"], "--dataset belongs to --eval-results CHECKPOINT"),
    ],
)
def test_eval_results_that_cannot_be_written_are_one_line(
    options: list[str], problem: str, scored: Scored, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["records", str(scored({"to": "mlflow"})), *options]) == 2
    assert problem in capsys.readouterr().err
