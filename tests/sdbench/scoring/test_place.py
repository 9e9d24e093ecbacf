"""Results of another job are never replaced without a word, and what a set passes over is said."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from tests.sdbench.conftest import rows

Score = Callable[..., int]


def test_scores_of_other_images_are_refused_and_of_the_same_replaced_with_a_word(
    score: Score, generated: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert score(metrics="fid-inception-tf", prompts=None) == 0
    before = (tmp_path / "scores" / "results.csv").read_bytes()
    other = tmp_path / "b" / generated.name
    shutil.copytree(generated, other)
    capsys.readouterr()
    assert score(other, metrics="fid-inception-tf", prompts=None) == 2
    line = capsys.readouterr().err
    taken = f"sdbench: {tmp_path}/scores holds the scores of {generated}: "
    assert line == f"{taken}name another folder by --out, or delete it\n"
    assert (tmp_path / "scores" / "results.csv").read_bytes() == before
    assert score(metrics="fid-inception-tf", prompts=None) == 0
    assert "replaces the earlier scores of these images" in capsys.readouterr().err
    (tmp_path / "scores" / "scored.json").unlink()
    assert score(metrics="fid-inception-tf", prompts=None) == 2
    assert "holds results of something else" in capsys.readouterr().err


def test_a_run_is_no_place_for_scores(
    score: Score, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "scores").mkdir()
    (tmp_path / "scores" / "spec.yaml").write_text("name: x")
    assert score() == 2
    assert "scores is a run, and scores would replace its tables" in capsys.readouterr().err


def test_what_a_set_passes_over_stands_in_notes_output_and_record(
    score: Score,
    generated: Path,
    reference_folder: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (generated / "extra.heic").write_bytes(b"x")
    (generated / "notes.txt").write_bytes(b"x")
    (reference_folder / "gone.png").symlink_to("nowhere.png")
    assert score() == 0
    err = capsys.readouterr().err
    assert (
        "12 images; passed over: 1 .heic files (such as extra.heic), 1 .txt files (such as notes.txt)" in err
    )
    assert "reference images: passed over: 1 broken links (such as gone.png)" in err
    fid, clip = rows(tmp_path / "scores")
    assert fid["note"].endswith(
        "reference passed over: 1 broken links (such as gone.png); "
        "passed over: 1 .heic files (such as extra.heic)"
    )
    assert clip["note"] == "passed over: 1 .heic files (such as extra.heic)"
    record: dict[str, Any] = json.loads((tmp_path / "scores" / "scored.json").read_text())
    assert (record["images"], record["n"]) == (str(generated), 12)
    assert record["passed_over"] == {".heic": 1, ".txt": 1}


def test_a_reference_of_images_and_statistics_is_not_clear(
    score: Score, reference_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save_file({"x": np.zeros(1)}, reference_folder / "x.safetensors")
    assert score() == 2
    assert "holds both images and statistics (.safetensors): name the file" in capsys.readouterr().err


def test_names_that_are_not_utf8_are_escaped_in_tables(
    score: Score, generated: Path, tmp_path: Path, prompts: Path
) -> None:
    (generated / "03.png").rename(generated / os.fsdecode(b"03-caf\xe9.png"))
    folder = tmp_path / os.fsdecode(b"set-\xe9")
    generated.rename(folder)
    assert score(folder) == 0
    assert rows(tmp_path / "scores")[0]["cell"] == r"set-\xe9"
    import pyarrow.parquet as pq

    names = pq.read_table(tmp_path / "scores" / "images.parquet")["prompt_id"].to_pylist()
    assert r"03-caf\xe9.png" in names


def test_a_url_is_a_run(score: Score, capsys: pytest.CaptureFixture[str]) -> None:
    assert score("s3://bucket/images") == 2
    assert "URLs are those of runs" in capsys.readouterr().err
