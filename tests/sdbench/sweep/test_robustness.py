"""Failures of long runs: each ends in one clear line and an intact store, and the run resumes."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sdbench.cli import main
from sdbench.core.errors import StoreError
from sdbench.runs.images import AHEAD, ImageWriter
from sdbench.runs.store import LocalStore, open_store
from sdbench.sweep import runner
from sdbench.sweep.progress import RunProgress
from tests.sdbench.tiny_runs import damage, files

Run = Callable[[dict[str, Any], Path], Any]


class TestStoreFails:
    @pytest.mark.parametrize(
        ("kind", "number"), [(".parquet", errno.ENOSPC), (".png", errno.ENOSPC), (".png", errno.EROFS)]
    )
    def test_while_writing(
        self,
        kind: str,
        number: int,
        tiny: dict[str, Any],
        tmp_path: Path,
        run_tiny: Run,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        run_tiny(tiny, tmp_path / "whole")
        replace, allowed = Path.replace, [3]

        def failing(self: Path, target: Path) -> Path:
            if target.suffix == kind and "reference" not in target.parts:
                allowed[0] -= 1
                if allowed[0] < 0:
                    raise OSError(number, os.strerror(number))
            return replace(self, target)

        with monkeypatch.context() as patch:
            patch.setattr(Path, "replace", failing)
            with pytest.raises(StoreError, match=rf"\{kind}: cannot be written: {os.strerror(number)}"):
                run_tiny(tiny, tmp_path / "run")
        assert damage(tmp_path / "run") == []
        assert not list((tmp_path / "run").rglob("*.tmp"))
        run_tiny(tiny, tmp_path / "run")
        assert files(tmp_path / "run") == files(tmp_path / "whole")

    def test_before_the_first_image_if_nothing_can_be_written(
        self,
        tiny: dict[str, Any],
        spec_file: Callable[[dict[str, Any]], Path],
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        def read_only(self: Path, *args: Any, **options: Any) -> Any:
            raise OSError(errno.EROFS, os.strerror(errno.EROFS))

        (tmp_path / "run").mkdir()
        spec = spec_file(tiny)
        monkeypatch.setattr(Path, "mkdir", lambda self, **options: None)
        monkeypatch.setattr(Path, "replace", read_only)
        assert main(["run", str(spec), "--out", str(tmp_path / "run")]) == 1
        said = capsys.readouterr().err.splitlines()
        assert said[-1].startswith(f"sdbench: {tmp_path}/run/")
        assert said[-1].endswith("cannot be written: Read-only file system")
        assert list((tmp_path / "run").iterdir()) == []


def test_a_clock_that_jumps_back_years_changes_nothing(
    tiny: dict[str, Any], tmp_path: Path, run_tiny: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_tiny(tiny, tmp_path / "whole")
    run_tiny({**tiny, "guidance_scales": [2]}, tmp_path / "run")
    for path in (tmp_path / "run").rglob("*"):
        os.utime(path, (4e9, 4e9))  # files of the year 2096
    monkeypatch.setattr("sdbench.runs.journal.now", lambda: "1970-01-01T00:00:00+00:00")
    monkeypatch.setattr("time.time", lambda: 0.0)
    outcome = run_tiny(tiny, tmp_path / "run")
    assert (outcome.images_made, outcome.images_found) == (6, 6)
    whole = files(tmp_path / "whole")
    assert {name: data for name, data in files(tmp_path / "run").items() if name in whole} == whole


def test_a_spec_edited_between_runs_keeps_old_cells_beside(
    tiny: dict[str, Any], tmp_path: Path, run_tiny: Run
) -> None:
    run_tiny(tiny, tmp_path / "run")
    before = files(tmp_path / "run" / "shards")
    outcome = run_tiny({**tiny, "samplers": [{"name": "ddim", "steps": 2}]}, tmp_path / "run")
    assert (outcome.images_made, outcome.images_found) == (12, 0)
    after = files(tmp_path / "run" / "shards")
    assert {name: after[name] for name in before} == before
    assert damage(tmp_path / "run") == []
    assert run_tiny(tiny, tmp_path / "run").images_found == 12


@pytest.mark.parametrize("kind", ["s3", "memory"])
def test_a_run_in_an_object_store_has_the_results_of_a_local_one(
    kind: str,
    tiny: dict[str, Any],
    tmp_path: Path,
    run_tiny: Run,
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    place = f"{request.getfixturevalue('s3')}/whole" if kind == "s3" else "memory://whole"

    def page_of(folder: Path) -> Path:
        # The files that the page is drawn from must be in the store.
        assert (folder / "results.csv").is_file()
        assert len(list((folder / "images").rglob("*.png"))) == 12
        page = folder / "report" / "index.html"
        page.parent.mkdir(exist_ok=True)
        page.write_text("page")
        return page

    outcome = run_tiny(tiny, place, draw=page_of)
    assert outcome.page == f"{place}/report/index.html"
    store = open_store(place)
    assert store.read("report/index.html") == b"page"
    run_tiny(tiny, tmp_path / "local")
    for name in ("results.csv", "results.parquet", "flagged.csv"):
        assert store.read(name) == (tmp_path / "local" / name).read_bytes()
    assert damage(place) == []
    again = run_tiny({**tiny, "guidance_scales": [2, 4]}, place, draw=page_of)
    assert (again.images_made, again.images_found) == (6, 6)
    assert main(["gc", place, "--delete"]) == 0
    assert main(["verify", place]) == 0
    assert len(store.folders("shards")) == 2
    assert runner.score_run(place, RunProgress(), draw=page_of) == f"{place}/report/index.html"


class TestImageWriter:
    def test_the_model_waits_for_a_store_that_is_slow(self) -> None:
        class Slow(LocalStore):
            def __init__(self) -> None:
                self.gate = threading.Event()

            def write(self, key: str, data: bytes, *, durable: bool = True) -> None:
                self.gate.wait(60)

        store, writing, begun = Slow(), ImageWriter(), []

        def generate() -> None:
            for number in range(AHEAD + 1):
                writing.begin(store, str(number), np.zeros((2, 2, 3), np.uint8))
                begun.append(number)

        thread = threading.Thread(target=generate)
        thread.start()
        thread.join(0.5)
        assert len(begun) == AHEAD
        store.gate.set()
        thread.join(60)
        writing.wait()
        assert len(begun) == AHEAD + 1
        writing.close()
