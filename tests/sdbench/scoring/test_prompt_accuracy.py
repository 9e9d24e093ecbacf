"""prompt-accuracy-shapes from images to tables: clean scenes, a run by kind of statement, other prompts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import sdbench
from metrics.features.statements import StatementReader
from reference_model.shapes import reference_set
from reference_model.shapes.reading import judge
from sdbench.cli import main

NAME = "prompt-accuracy-shapes"
PROMPTS = [
    "a red circle",
    "a large striped blue square left of a small green cross on a white background",
    "a yellow ring and a pink moon",
    "a small dotted star on a checkered black background",
]


def test_clean_scenes_hold_what_their_captions_say_and_not_what_others_do() -> None:
    images, captions = reference_set(24, seed=31)
    right, wrong = (
        sdbench.score(images, prompts=prompts, metrics=NAME, progress=False)[NAME]
        for prompts in (captions, captions[1:] + captions[:1])
    )
    assert right.value == 1
    assert wrong.value < 0.6


def test_a_run_reads_each_image_once_and_says_what_holds_by_kind(
    tiny: dict[str, Any], tmp_path: Path, run_tiny: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []
    whole = StatementReader.__call__

    def counted(self: Any, images: Any, prompts: Any) -> Any:
        read.extend(prompts)
        return whole(self, images, prompts)

    monkeypatch.setattr(StatementReader, "__call__", counted)
    root = tmp_path / "run"
    run_tiny({**tiny, "prompts": PROMPTS, "metrics": [NAME]}, root)
    assert sorted(read) == sorted(PROMPTS * 2)
    results = pd.read_csv(root / "results.csv").set_index("cell")
    kinds = pd.read_csv(root / "categories.csv")
    assert set(kinds["by"]) == {"kind of statement"}
    for cell, rows in kinds.groupby("cell"):
        pngs = sorted((root / "images" / str(cell)).iterdir())
        judged = judge(np.stack([np.asarray(Image.open(png)) for png in pngs]), PROMPTS)
        shares = [np.mean([holds for _, holds in said]) for said in judged]
        assert results.loc[str(cell), "value"] == pytest.approx(np.mean(shares))
        places = [[holds for kind, holds in said if kind == "background"] for said in judged]
        expected = [np.mean(said) for said in places if said]
        found = rows.set_index("category").loc["background"]
        assert (found["n"], found["value"]) == (2, pytest.approx(np.mean(expected)))
        assert list(rows["n"]) == [4, 3, 2, 2, 1, 2]
    tests = pd.read_csv(root / "category_comparisons.csv")
    assert tests["category"].tolist() == ["shape", "colour", "size", "pattern", "place", "background"]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, f"{NAME}: not a figure of the shapes family: 'a photo of a cat'; leave this metric out"),
        (
            {"prompts": PROMPTS, "image_size": 128},
            f"{NAME}: reads images of 64x64 pixels, not 128x128",
        ),
    ],
)
def test_what_cannot_be_read_ends_the_run_before_any_image(
    changes: dict[str, Any], expected: str, tiny: dict[str, Any], tmp_path: Path,
    spec_file: Callable[[dict[str, Any]], Path], capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    path = spec_file({**tiny, "prompts": ["a ring", "a photo of a cat"], "metrics": [NAME], **changes})
    assert main(["run", str(path), "--out", str(tmp_path / "run")]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert expected in line
    assert not (tmp_path / "run").exists()


def test_a_folder_has_values_by_kind_and_other_prompts_are_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    images, captions = reference_set(3, seed=32)
    (tmp_path / "mine").mkdir()
    for place, pixels in enumerate(images):
        Image.fromarray(pixels).save(tmp_path / "mine" / f"{place}.png")
    arguments = ["score", "mine", "--prompts", "prompts.txt", "--metrics", NAME, "--out", "scores"]
    (tmp_path / "prompts.txt").write_text("\n".join(captions))
    assert main(arguments) == 0
    kinds = pd.read_csv(tmp_path / "scores" / "categories.csv").set_index("category")
    assert (kinds.loc["shape", "n"], kinds.loc["shape", "value"]) == (3, 1)
    assert kinds.loc["shape", "note"] == "no standard error: all 3 images have the same value"
    (tmp_path / "prompts.txt").write_text("a ring\na cat\na moon")
    assert main(arguments) == 2
    assert f"{NAME}: not a figure of the shapes family: 'a cat'" in capsys.readouterr().err
