"""`sdbench run --watch`: checkpoints that a training writes become rows of the same run."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from sdbench.cli import main, run
from sdbench.sweep import runner
from tests.sdbench.tiny_runs import GOLDENS, content, no_page

SpecFile = Callable[[dict[str, Any]], Path]
SMALL: dict[str, Any] = {"metrics": ["clip-score-shapes"], "prompts": ["a ring"], "guidance_scales": [2]}


class Training:
    """Takes the place of waiting: before each look, the next thing happens in the folder; then Ctrl-C."""

    def __init__(self, folder: Path, happenings: list[Callable[[], object]]) -> None:
        self.folder = folder
        self._happenings = iter(happenings)

    def __call__(self, seconds: float) -> None:
        happening = next(self._happenings, None)
        if happening is None:
            raise KeyboardInterrupt
        happening()


def save(path: Path, weights: bytes | None = None) -> None:
    shutil.copy(GOLDENS / "v1-tiny.yaml", path.with_suffix(".yaml"))
    shutil.copytree(GOLDENS / "clip-text-tiny", path.parent / "clip-text-tiny", dirs_exist_ok=True)
    path.write_bytes(weights or (GOLDENS / "v1-tiny.ckpt").read_bytes())


@pytest.fixture
def watch(
    tmp_path: Path, spec_file: SpecFile, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., list[str]]]:
    """Run the happenings; return the checkpoints in results.csv."""
    drawn = runner.run_experiment

    def without_page(*args: Any) -> Any:
        return drawn(*args, draw=no_page)

    monkeypatch.setattr(runner, "run_experiment", without_page)
    (tmp_path / "training").mkdir()

    def run_watching(*happenings: Callable[[], object]) -> list[str]:
        monkeypatch.setattr(run.time, "sleep", Training(tmp_path / "training", list(happenings)))
        words = [str(spec_file(content(**SMALL))), "--out", str(tmp_path / "run")]
        assert main(["run", *words, "--watch", str(tmp_path / "training")]) == 130
        with (tmp_path / "run" / "results.csv").open() as stream:
            return [row["checkpoint"] for row in csv.DictReader(stream)]

    return run_watching


def nothing() -> None: ...


def test_a_checkpoint_is_added_once_it_is_whole(
    watch: Callable[..., list[str]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = tmp_path / "training" / "step-100.ckpt", tmp_path / "training" / "step-200.ckpt"
    half = (GOLDENS / "v1-tiny.ckpt").read_bytes()[:1000]
    found = watch(
        lambda: save(first), nothing, lambda: save(second, half), lambda: save(second), nothing
    )  # half of the second one was there at one look only
    assert found == ["tiny", "step-100", "step-200"]
    said = capsys.readouterr()
    made = [line for line in said.out.splitlines() if " images made" in line]
    assert made == [f"1 images made, {found} reused" for found in (0, 1, 2)], "only the new one's each time"
    assert "left out" not in said.err


def test_a_broken_one_is_left_out_until_it_changes(
    watch: Callable[..., list[str]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "training" / "tiny.ckpt"
    found = watch(lambda: save(path, b"no weights"), nothing, nothing, lambda: save(path), nothing)
    assert found == ["tiny", "training-tiny"], "the spec has a tiny of its own"
    lines = [line for line in capsys.readouterr().err.splitlines() if "is left out" in line]
    assert len(lines) == 1
    assert f"{path} is left out until it changes: checkpoint training-tiny: " in lines[0]


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (["--watch", "none"], "--watch none: not a folder"),
        (["--watch", ".", "--json"], "--watch and --json exclude each other"),
    ],
)
def test_wrong_words(
    words: list[str], error: str, spec_file: SpecFile, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", str(spec_file(content(**SMALL))), *words]) == 2
    assert error in capsys.readouterr().err
