"""Graded faults of clean scenes, and the audit of metrics that is made of them."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from reference_model.shapes import reference_set
from reference_model.shapes.scenes import sample_scenes
from sdbench.cli import main
from sdbench.tools.faults.audit import FaultRow, power
from sdbench.tools.faults.doses import FAULTS, Clean, _swapped, _wrong_colour
from sdbench.tools.faults.outputs import table


@pytest.fixture(scope="module")
def clean() -> Clean:
    from reference_model.shapes.render import paint, to_uint8

    scenes = sample_scenes(0, "shapes/audit", 0, 100)
    real, _ = reference_set(100, 7)
    return Clean(scenes, to_uint8(paint(scenes)), real, np.random.default_rng(0).permutation(100))


@pytest.mark.parametrize("name", FAULTS)
def test_a_larger_dose_changes_more(clean: Clean, name: str) -> None:
    before = clean.images.astype(float)
    changes = [np.abs(FAULTS[name].apply(clean, dose) - before).mean() for dose in FAULTS[name].doses]
    assert changes == sorted(changes)
    assert changes[0] < changes[-1]


def test_shares_change_their_share_of_the_images(clean: Clean) -> None:
    for name in ("wrong-colour", "missing-shape", "memorised", "black", "watermark"):
        changed = (FAULTS[name].apply(clean, 16.0) != clean.images).any(axis=(1, 2, 3))
        assert set(np.flatnonzero(changed)) == set(clean.order[:16]), name


def test_changed_scenes_are_what_they_are_called(clean: Clean) -> None:
    for scene in clean.scenes:
        first, *others = _wrong_colour(scene).figures
        taken = {figure.colour for figure in scene.figures} | {scene.background.colour}
        assert first.colour not in taken
        assert others == list(scene.figures[1:])
        if len(scene.figures) == 2:
            a, b = _swapped(scene).figures
            assert (a.centre, b.centre) == (scene.figures[1].centre, scene.figures[0].centre)


def test_the_power_of_a_test() -> None:
    assert power(2.8016, 1.0, 100, 100) == pytest.approx(0.8, abs=1e-4)
    assert power(1.4008, 1.0, 100, 400) == pytest.approx(0.8, abs=1e-4)
    assert power(0.0, 1.0, 100, 4096) == pytest.approx(0.05, abs=1e-4)
    assert power(0.0, 0.0, 100, 64) == 0
    assert power(-0.1, 0.0, 100, 64) == 1


def _row(dose: float, p_value: float | None, powers: list[float | None], improves: bool = False) -> FaultRow:
    return FaultRow("m", "black", dose, "%", 512, 1.0, 1.0, p_value, improves, *powers, "")


def test_the_table_names_the_smallest_dose() -> None:
    rows = [_row(1.0, 0.3, [0.1, 0.2, 0.9]), _row(4.0, 0.01, [None, 0.7, 1.0], improves=True)]
    shown = [line.split()[1] for line in table(rows).splitlines() if line.startswith("m ")]
    assert shown == ["none", "none", "4+"]
    turning = [_row(1.0, 0.01, [0.1, 0.9, 1.0], improves=True), _row(4.0, 0.01, [0.9, 1.0, 1.0])]
    assert [line.split()[1] for line in table(turning).splitlines() if line.startswith("m ")] == [
        "4",
        "1±",
        "1±",
    ]
    silent = [_row(1.0, 0.01, [None, 1.0, 1.0])]
    assert [line.split()[1] for line in table(silent).splitlines() if line.startswith("m ")] == [
        "—",
        "1",
        "1",
    ]


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "audit"
    options = ["--metrics", "clip-score-shapes", "--faults", "blur,black", "-n", "32", "--out", str(out)]
    assert main(["audit-metrics", *options]) == 0
    assert "clip-score-shapes" in capsys.readouterr().out
    with (out / "faults.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [(row["fault"], row["dose"]) for row in rows[-1:]] == [("black", "64.0")]
    assert float(rows[-1]["difference"]) < 0
    assert float(rows[-1]["power_64"]) > 0.8
    with Image.open(out / "faults.png") as picture:
        assert picture.width > 300


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--metrics", "kd-shape-clip"], "unknown metric"),
        (["--metrics", "vendi-shapes-clip"], "several images of each prompt"),
        (["--faults", "blurr"], "unknown fault 'blurr'"),
        (["-n", "1"], "at least"),
    ],
)
def test_wrong_input_is_one_line(options: list[str], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["audit-metrics", *options]) == 2
    error = capsys.readouterr().err
    assert words in error
    assert error.count("\n") == 1
