"""`sdbench plot`: which files it draws from which results, and what it refuses."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pandas as pd
import pytest

from reports.rows import read_published
from sdbench.cli import main
from sdbench.runs.manifest import Throughput, write_manifest
from sdbench.runs.store import LocalStore, open_store
from tests.sdbench.synthetic import plan_of, write_plan

PUBLISHED = Path(__file__).parents[3] / "experiments" / "published" / "sd-v1-variants-scores.csv"
PICTURES = {f"distance-against-clip-score.{kind}" for kind in ("png", "svg", "pdf")}
TABLES = {f"results-table.{kind}" for kind in ("csv", "md", "tex")}


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """Return a run of two checkpoints with the published values, regions, images and times."""
    results = read_published(PUBLISHED)
    results = results[results["checkpoint"].isin(["v1.1", "v1.4"])]
    cells = results[["cell"]].drop_duplicates()
    folder = tmp_path / "run"
    folder.mkdir()
    results.to_csv(folder / "results.csv", index=False)
    timed = cells.assign(seconds_per_image=0.5).to_dict("records")
    manifest = {"name": "run", "cells": timed, "finished": "2026-01-02T03:04:05+00:00"}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    (folder / "spec.yaml").write_text("name: run\n")
    axes = {"x_protocol": "clip-score-published", "y_protocol": "fid-published-10k", "x": 0, "y": 0}
    shape = {"xx": 1e-6, "xy": 0, "yy": 0.01, "radius": 3}
    cells[["cell"]].assign(**axes, **shape).to_csv(folder / "regions.csv", index=False)
    images = pd.DataFrame(
        {"prompt_id": [f"p{i}" for i in range(5)], "prompt": [f"{i} cats" for i in range(5)], "sha256": "x"}
    )
    images = cells[["cell"]].merge(images, how="cross")
    images["score_clip-score-published"] = range(len(images))
    images.to_parquet(folder / "images.parquet")
    return folder


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_a_run_gives_the_picture_with_its_regions_and_the_tables(run: Path, tmp_path: Path) -> None:
    assert main(["plot", str(run)]) == 0
    assert names(run / "report") == PICTURES | TABLES
    assert main(["plot", str(run / "results.csv"), "--out", str(tmp_path / "same")]) == 0
    for name in PICTURES | TABLES:
        assert (tmp_path / "same" / name).read_bytes() == (run / "report" / name).read_bytes()


@pytest.mark.parametrize("cut_off", ["distance-against-clip-score.png", "results-table.csv"])
def test_a_full_disk_is_reported_with_the_file_and_spoils_none(
    cut_off: str,
    run: Path,
    small_files: Callable[[int], AbstractContextManager[None]],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["plot", str(run)]) == 0
    before = {path.name: path.read_bytes() for path in (run / "report").iterdir()}
    if cut_off in TABLES:  # tables are smaller than the plots before them
        monkeypatch.setattr("reports.plots.save", lambda figure, folder, stem: [])
    capsys.readouterr()
    with small_files(len(before[cut_off]) // 2):
        assert main(["plot", str(run)]) == 1
    path = run / "report" / cut_off
    assert capsys.readouterr().err == f"sdbench: {path}: cannot be written: File too large\n"
    assert {path.name: path.read_bytes() for path in (run / "report").iterdir()} == before


def test_an_unfinished_write_is_listed_as_one_of_the_run(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def killed(*given: object, **options: object) -> None:
        raise OSError

    monkeypatch.setattr(Path, "replace", killed)
    monkeypatch.setattr(Path, "unlink", killed)
    assert main(["plot", str(run)]) == 1
    (left,) = (run / "report").iterdir()
    assert LocalStore(run).temporaries() == [f"report/{left.name}"]


def test_what_cannot_be_read_is_bad_input(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (run / "results.csv").unlink()
    (run / "results.csv").mkdir()
    assert main(["plot", str(run)]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_a_run_at_a_url_is_drawn_there(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = f"memory://{run.parent.name}"
    store = open_store(place)
    for path in run.iterdir():
        store.write(path.name, path.read_bytes())
    write_plan(store, plan_of([2], ["a"]), 0)
    assert main(["plot", place, "--style", "published"]) == 0
    assert capsys.readouterr().out.splitlines()[0].endswith("clip-score-published-style.png")
    assert store.read("report/distance-against-clip-score-published-style.png").startswith(b"\x89PNG")
    assert main(["diff", place, str(run)]) == 0
    assert f"A: {place}\nB: {run}\n" in capsys.readouterr().out


def test_all_draws_what_the_files_allow(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[str] = []
    monkeypatch.setattr(
        "reports.plots.save", lambda figure, folder, stem: [drawn.append(stem) or folder / stem]
    )
    always = ["distance-against-clip-score", "metrics-against-scale"]
    assert main(["plot", str(run), "--all"]) == 0
    assert drawn == [*always, "clip-score-by-prompt"], "all cells took the same time"
    manifest = json.loads((run / "manifest.json").read_text())
    checkpoint = pd.read_csv(run / "results.csv").drop_duplicates("cell").set_index("cell")["checkpoint"]
    for cell in manifest["cells"]:
        cell["seconds_per_image"] = 0.8 if checkpoint[cell["cell"]] == "v1.1" else 0.5
    (run / "manifest.json").write_text(json.dumps(manifest))
    drawn.clear()
    assert main(["plot", str(run), "--all"]) == 0
    assert drawn == [*always, "metrics-against-seconds", "clip-score-by-prompt"]
    several = pd.read_csv(run / "results.csv")
    several.loc[several["checkpoint"] == "v1.1", ["curve", "steps", "nfe"]] = ("v1.1, plms 20", 20, 42)
    several.to_csv(tmp_path / "bare.csv")
    drawn.clear()
    assert main(["plot", str(tmp_path / "bare.csv"), "--all"]) == 0
    assert drawn == [*always, "metrics-against-evaluations"]


def test_the_published_style_is_a_picture_of_its_own(run: Path, tmp_path: Path) -> None:
    assert main(["plot", str(run), "--style", "published", "--out", str(tmp_path / "a")]) == 0
    styled = {f"distance-against-clip-score-published-style.{kind}" for kind in ("png", "svg", "pdf")}
    assert names(tmp_path / "a") == styled


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["published", "--all"], "'published' has one picture"),
        (["published", "--style", "published", "--overlay", "published"], "leave out --all and --overlay"),
    ],
)
def test_options_that_exclude_each_other(
    arguments: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["plot", *arguments, "--out", str(tmp_path / "new")]) == 2
    err = capsys.readouterr().err
    assert message in err
    assert err.count("\n") == 1
    assert not (tmp_path / "new").exists()


def test_an_overlay_of_other_axes_is_refused_before_anything_is_written(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = pd.read_csv(run / "results.csv")
    rows["protocol"] = rows["protocol"].replace("fid-published-10k", "fd-shapes-clip")
    rows.to_csv(run / "results.csv", index=False)
    assert main(["plot", str(run), "--overlay", "published"]) == 2
    assert "cannot be drawn behind fd-shapes-clip" in capsys.readouterr().err
    assert not (run / "report").exists()


def test_the_manifest_keeps_the_seconds_per_image_of_cells_made_before(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    cells = [{"cell": "a"}, {"cell": "b"}, {"cell": "c"}]
    throughput = Throughput()
    throughput.add(10, 4.0)
    throughput.add(10, 2.0)
    write_manifest(store, {"cells": cells}, {}, {}, {"a": throughput})
    write_manifest(store, {"cells": cells}, {}, {}, {"b": Throughput(4, 1.0)})
    kept = json.loads((tmp_path / "manifest.json").read_text())["cells"]
    assert [cell.get("seconds_per_image") for cell in kept] == [0.3, 0.25, None]
