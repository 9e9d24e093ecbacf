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


SLOW = """
import time

def brightness(images):
    time.sleep(0.2)
    return images.mean(axis=(1, 2, 3))

brightness.better = "higher"
"""


def test_scoring_that_is_killed_loses_no_image(whole: dict[str, bytes], tmp_path: Path) -> None:
    root, module = tmp_path / "run", tmp_path / "slow.py"
    tiny_runs.run(tmp_path, root)
    module.write_text(SLOW)
    features, kept = root / "features", ("images/", "shards/", "features/shapes-clip/")
    before = {name: data for name, data in tiny_runs.files(root).items() if name.startswith(kept)}
    assert before == {name: data for name, data in whole.items() if name.startswith(kept)}
    tables = {name: data for name, data in tiny_runs.files(root).items() if name.endswith(".csv")}
    process = tiny_runs.start_scoring(root, f"{module}:brightness")
    while len(list(features.rglob("*.parquet"))) < 10 and process.is_alive():  # 8 units were there before
        time.sleep(0.01)
    process.kill()
    process.join()
    done = len(list(features.rglob("*.parquet")))
    assert 10 <= done < 16, "killed before or after the work"
    assert images_done(root) == IMAGES
    left = tiny_runs.files(root)
    assert {name: left[name] for name in (*before, *tables)} == {**before, **tables}
    process = tiny_runs.start_scoring(root, f"{module}:brightness")
    process.join()
    assert process.exitcode == 0
    assert tiny_runs.damage(root) == []
    left = tiny_runs.files(root)
    assert {name: left[name] for name in before} == before
    assert b"slow.py:brightness" in left["results.csv"]


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
