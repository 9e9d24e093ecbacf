"""An image is made once: other metrics and other units take what is stored."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from sdbench.cli import main
from sdbench.sweep import runner
from sdbench.sweep.progress import RunProgress
from sdbench.sweep.worker import Worker
from tests.sdbench.tiny_runs import no_page

Run = Callable[..., Any]
CLIP, FID = "clip-score-vit-l-14", "fid-inception-tf"


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    lines: list[str] = []
    monkeypatch.setattr(RunProgress, "note", lambda self, text: lines.append(text))
    return lines


def pngs(root: Path) -> dict[str, str]:
    return {
        str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in (root / "images").rglob("*.png")
    }


def tables(root: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in root.glob("*.csv")}


def test_a_metric_more_reads_the_images_and_a_metric_fewer_does_nothing(
    tiny: dict[str, Any], tmp_path: Path, run_tiny: Run, said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    run_tiny({**tiny, "metrics": [CLIP]}, tmp_path / "run")
    before = pngs(tmp_path / "run")
    with monkeypatch.context() as idle:
        idle.setattr(Worker, "_load", lambda self, unit: pytest.fail("a model was loaded"))
        outcome = run_tiny({**tiny, "metrics": [CLIP, FID]}, tmp_path / "run")
    assert (outcome.images_made, outcome.images_found) == (0, 12)
    assert "of 12 images 12 are read for features" in said
    assert pngs(tmp_path / "run") == before
    more = tables(tmp_path / "run")
    with monkeypatch.context() as idle:
        idle.setattr(Worker, "do", lambda self, unit, tick: pytest.fail("there is nothing to do"))
        run_tiny({**tiny, "metrics": [FID]}, tmp_path / "run")
        run_tiny({**tiny, "metrics": [CLIP, FID]}, tmp_path / "run")
    assert tables(tmp_path / "run") == more
    run_tiny({**tiny, "metrics": [CLIP, FID]}, tmp_path / "at once")
    assert tables(tmp_path / "at once") == more


@pytest.mark.parametrize("size", [1, 3, 6, 64])
def test_units_of_another_size_find_the_images(
    size: int, tiny: dict[str, Any], tmp_path: Path, run_tiny: Run
) -> None:
    run_tiny(tiny, tmp_path / "run")
    before = tables(tmp_path / "run")["comparisons.csv"]
    shards = {path.name for path in (tmp_path / "run" / "shards").rglob("*.parquet")}
    outcome = run_tiny({**tiny, "unit_size": size}, tmp_path / "run")
    assert (outcome.images_made, outcome.images_found) == (0, 12)
    assert {path.name for path in (tmp_path / "run" / "shards").rglob("*.parquet")} == shards
    assert tables(tmp_path / "run")["comparisons.csv"] == before


def test_gaps_between_stored_units_are_cut_anew(tiny: dict[str, Any], tmp_path: Path, run_tiny: Run) -> None:
    run_tiny({**tiny, "unit_size": 2}, tmp_path / "run")
    for path in (tmp_path / "run" / "shards").rglob("000002-000003_*.parquet"):
        path.unlink()
    outcome = run_tiny({**tiny, "unit_size": 64}, tmp_path / "run")
    assert (outcome.images_made, outcome.images_found) == (4, 8)
    plan = json.loads((tmp_path / "run" / "plan.json").read_text())
    assert list(plan["ends"].values()) == [[2, 4, 6], [2, 4, 6]]


def test_a_png_that_was_changed_is_named_and_made_again(
    tiny: dict[str, Any], tmp_path: Path, run_tiny: Run, said: list[str]
) -> None:
    run_tiny({**tiny, "metrics": [CLIP]}, tmp_path / "run")
    before = pngs(tmp_path / "run")
    path = sorted((tmp_path / "run" / "images").rglob("*.png"))[1]
    pixels = np.asarray(Image.open(path)).copy()
    pixels[0, 0, 0] ^= 1
    Image.fromarray(pixels).save(path)
    outcome = run_tiny({**tiny, "metrics": [CLIP, FID]}, tmp_path / "run")
    assert f"{path}: its pixels are not those that were made; its unit is made again" in said
    assert outcome.images_made == tiny["unit_size"]
    assert pngs(tmp_path / "run") == before


def test_images_that_are_not_kept_are_made_again_for_a_new_network(
    tiny: dict[str, Any], tmp_path: Path, run_tiny: Run, said: list[str]
) -> None:
    none = {**tiny, "images": "none"}
    run_tiny({**none, "metrics": [CLIP]}, tmp_path / "run")
    outcome = run_tiny({**none, "metrics": [CLIP, FID]}, tmp_path / "run")
    assert outcome.images_made == 12
    assert "12 images are made again for their features: their PNGs are not kept" in said
    assert run_tiny({**none, "metrics": [FID]}, tmp_path / "run").images_made == 0


def test_the_plan_says_how_many_images_are_only_read(
    tiny: dict[str, Any], tmp_path: Path, run_tiny: Run, spec_file: Callable[[dict[str, Any]], Path],
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    run_tiny({**tiny, "metrics": [CLIP]}, tmp_path / "run")
    path = spec_file({**tiny, "metrics": [CLIP, FID], "guidance_scales": [2, 7.5, 9]})
    assert main(["plan", str(path), "--out", str(tmp_path / "run"), "--no-calibrate"]) == 0
    assert "12 images are made already; 12 of them are read for features\n" in capsys.readouterr().out


@pytest.fixture
def score(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., int]:
    """Score the run again by more metrics, without weights; return the exit code."""

    def run(metrics: str) -> int:
        monkeypatch.setattr(runner.score_run, "__kwdefaults__", {"draw": no_page})
        monkeypatch.setattr(Worker, "_load", lambda self, unit: pytest.fail("a model was loaded"))
        return main(["score", str(tmp_path / "run"), "--metrics", metrics])

    return run


def test_scoring_adds_a_metric_to_a_finished_run(
    tiny: dict[str, Any], tmp_path: Path, run_tiny: Run, said: list[str], score: Callable[..., int],
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    root = tmp_path / "run"
    run_tiny({**tiny, "metrics": [CLIP, FID]}, tmp_path / "at once")
    run_tiny({**tiny, "metrics": [CLIP]}, root)
    before = pngs(root)
    assert score(f"{FID}, {CLIP}") == 0
    assert "of 12 images 12 are read for features" in said
    assert pngs(root) == before
    assert tables(root) == tables(tmp_path / "at once")
    manifest, other = (
        json.loads((each / "manifest.json").read_text()) for each in (root, tmp_path / "at once")
    )
    assert manifest["features_identities"] == other["features_identities"]
    assert manifest["spec_digest"] == other["spec_digest"]
    assert main(["gc", str(root)]) == 0
    assert "the current spec needs all files" in capsys.readouterr().out
    monkeypatch.setattr(Worker, "do", lambda self, unit, tick: pytest.fail("there is nothing to do"))
    assert score(FID) == 0
    assert score("kid-inception-tf") == 0  # of the same network
    assert len({row.split(",")[7] for row in (root / "results.csv").read_text().splitlines()[1:]}) == 3


@pytest.mark.parametrize(
    ("changes", "metrics", "code", "expected"),
    [
        ({}, "fid-inception-ft", 2, "unknown metric 'fid-inception-ft'"),
        ({"reference": None}, FID, 2, "missing, and fid-inception-tf compares against reference images"),
        ({"images": "sample:5"}, FID, 1, "4 images have no PNG to read for new features"),
    ],
)
def test_a_metric_that_cannot_be_added_changes_nothing(
    changes: dict[str, Any], metrics: str, code: int, expected: str, tiny: dict[str, Any], tmp_path: Path,
    run_tiny: Run, score: Callable[..., int], capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    content = {**tiny, "metrics": [CLIP], "unit_size": 2, **changes}
    run_tiny({key: value for key, value in content.items() if value is not None}, tmp_path / "run")
    files = {path: path.read_bytes() for path in (tmp_path / "run").rglob("*") if path.is_file()}
    assert score(metrics) == code
    assert expected in capsys.readouterr().err
    assert {path: path.read_bytes() for path in (tmp_path / "run").rglob("*") if path.is_file()} == files


def test_scoring_names_a_png_that_was_changed(
    tiny: dict[str, Any], tmp_path: Path, run_tiny: Run, score: Callable[..., int],
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    run_tiny({**tiny, "metrics": [CLIP]}, tmp_path / "run")
    path = sorted((tmp_path / "run" / "images").rglob("*.png"))[1]
    pixels = np.asarray(Image.open(path)).copy()
    pixels[0, 0, 0] ^= 1
    Image.fromarray(pixels).save(path)
    assert score(FID) == 1
    assert (
        f"{path}: its pixels are not those that were made; scoring makes no images" in capsys.readouterr().err
    )
    path.unlink()
    assert score(FID) == 1
    assert "images have no PNG to read for new features" in capsys.readouterr().err
