"""A run killed at any moment and resumed ends with the same bytes."""

from __future__ import annotations

import json
import time
from pathlib import Path

import numpy as np
import pytest

from sdbench.runs.status import status_of
from sdbench.runs.store import open_store
from sdbench.runs.verify import verify
from tests.sdbench import tiny_runs

IMAGES = 16


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """Return the files of an undisturbed run."""
    folder = tmp_path_factory.mktemp("whole")
    tiny_runs.run(folder, folder / "run")
    return tiny_runs.files(folder / "run")


@pytest.mark.parametrize("moments", [2, pytest.param(50, marks=pytest.mark.slow)])
def test_killed_at_random_moments(moments: int, whole: dict[str, bytes], tmp_path: Path) -> None:
    began = time.monotonic()
    tiny_runs.run(tmp_path, tmp_path / "timed")
    length = time.monotonic() - began
    states = set()
    for number, share in enumerate(np.random.default_rng(moments).uniform(size=moments)):
        root = tmp_path / f"killed{number}"
        process = tiny_runs.start(tmp_path, root)
        process.join(share * length)
        process.kill()
        process.join()
        done = images_done(root)
        states.add(done)
        tiny_runs.run(tmp_path, root)
        assert json.loads((root / "manifest.json").read_text())["images_made"] == IMAGES - done
        for path in list(root.rglob(".*.tmp")):
            path.unlink()
        assert tiny_runs.files(root) == whole
    assert len(states) > min(moments, 10) / 4, "the moments were not spread over the work"


def test_two_writers_on_one_run_both_end_well(whole: dict[str, bytes], tmp_path: Path) -> None:
    writers = [tiny_runs.start(tmp_path, tmp_path / "run") for _ in range(2)]
    for writer in writers:
        writer.join()
    assert [writer.exitcode for writer in writers] == [0, 0]
    assert tiny_runs.files(tmp_path / "run") == whole
    assert images_done(tmp_path / "run") == IMAGES
    assert len(list((tmp_path / "run" / "journal").iterdir())) == 2


def images_done(root: Path) -> int:
    """Return the number of images of a killed run; all its files but unfinished writes must be intact."""
    if not (root / "plan.json").is_file():
        return 0
    store = open_store(root)
    found = verify(store, lambda done, total: None)
    assert [line for line in found.damage if "an unfinished write" not in line] == []
    return status_of(store).done
