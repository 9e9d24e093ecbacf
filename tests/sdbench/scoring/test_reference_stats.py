"""Files of statistics instead of reference images: made, compared with, and refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from metrics import frechet_estimate
from metrics.reference_stats import read_stats
from sdbench.cli import main
from tests.sdbench.conftest import features, rows

Run = Callable[[dict[str, Any], Path], Any]


@pytest.mark.parametrize("kind", ["safetensors", "npz"])
def test_statistics_give_the_values_of_their_images(
    kind: str,
    score: Callable[..., int],
    generated: Path,
    reference_folder: Path,
    tmp_path: Path,
    pixels: Any,
    capsys: pytest.CaptureFixture[str],
) -> None:
    file = tmp_path / f"stats.{kind}"
    make = ["stats", "make", str(reference_folder), "--protocol=fid-inception-tf", f"--out={file}"]
    assert main(make) == 2  # its images differ in size
    assert "must have the same size" in capsys.readouterr().err
    assert main([*make, "--size=7x9"]) == 0
    assert capsys.readouterr().out == f"12 images, 3 dimensions: {file}\n"
    assert score(metrics="fid-inception-tf", out=tmp_path / "images") == 0
    assert score(metrics="fid-inception-tf", reference=file, out=tmp_path / "file") == 0
    (by_images,), (by_file,) = rows(tmp_path / "images"), rows(tmp_path / "file")
    assert float(by_file["value"]) == pytest.approx(float(by_images["value"]), rel=1e-9)
    assert ("fid-inception-tf is assumed" in by_file["note"]) == (kind == "npz")
    mine = frechet_estimate(real=read_stats(file).moments, generated=features(generated, pixels))
    assert float(by_file["value"]) == pytest.approx(mine.value, rel=1e-8)


def test_statistics_of_another_protocol_are_refused(
    score: Callable[..., int],
    generated: Path,
    tmp_path: Path,
    pixels: Any,
    capsys: pytest.CaptureFixture[str],
) -> None:
    file = tmp_path / "stats.safetensors"
    assert main(["stats", "make", str(generated), "--protocol=fid-inception-tf", f"--out={file}"]) == 0
    pixels.calls.clear()
    assert score(metrics="fid-clip-vit-l-14", reference=file, prompts=None) == 2
    message = "made for fid-inception-tf, not for fid-clip-vit-l-14"
    assert message in capsys.readouterr().err.splitlines()[-1]
    assert pixels.calls == []  # refused before the first image is measured


def test_statistics_of_several_protocols_are_made_in_one_pass(
    score: Callable[..., int],
    reference_folder: Path,
    tmp_path: Path,
    pixels: Any,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder = tmp_path / "stats"
    names = "fid-inception-tf,kid-inception-tf,fid-clip-vit-l-14"
    make = ["stats", "make", str(reference_folder), f"--protocol={names}", "--size=7x9"]
    assert main([*make, f"--out={tmp_path / 'one.npz'}"]) == 2
    said = capsys.readouterr().err.splitlines()[-1]
    assert (
        "use 2 extractors (clip-vit-l-14, inception-v3), each with a file of its own: name a folder" in said
    )
    assert main([*make, f"--out={folder}"]) == 0
    assert sorted(path.name for path in folder.iterdir()) == [
        "clip-vit-l-14.safetensors",
        "inception-v3.safetensors",
    ]
    assert score(metrics=names, reference=folder, prompts=None, out=tmp_path / "file") == 0
    assert score(metrics=names, prompts=None, out=tmp_path / "images") == 0
    by_file, by_images = rows(tmp_path / "file"), rows(tmp_path / "images")
    assert [row["protocol"] for row in by_file] == names.split(",")
    for one, other in zip(by_file, by_images, strict=True):
        assert float(one["value"]) == pytest.approx(float(other["value"]), rel=1e-9)
        assert len({one["reference_digest"], other["reference_digest"], ""}) == 3
    (folder / "inception-v3.safetensors").unlink()
    assert score(metrics=names, reference=folder, prompts=None) == 2
    assert "inception-v3.safetensors: this file of statistics does not exist" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--protocol=clip-score-vit-l-14", "--out=s.npz"], "compares with no real images"),
        (
            ["--protocol=cfred-shapes-clip", "--out=s.npz"],
            "needs captions of real images, which statistics do not",
        ),
        (
            ["--protocol=fid-inception-tf", "--out=s.pkl"],
            "statistics are written as .safetensors (all) or .npz",
        ),
        (["--protocol=nothing", "--out=s.npz"], "unknown metric 'nothing'"),
    ],
)
def test_statistics_that_cannot_be_made(
    arguments: list[str], expected: str, generated: Path, capsys: pytest.CaptureFixture[str], pixels: Any
) -> None:
    assert main(["stats", "make", str(generated), *arguments]) == 2
    assert expected in capsys.readouterr().err.splitlines()[-1]


def test_a_run_compares_with_statistics(
    tiny: dict[str, Any], reference_folder: Path, tmp_path: Path, run_tiny: Run
) -> None:
    file = tmp_path / "stats.safetensors"
    make = ["stats", "make", str(reference_folder), "--protocol=fid-inception-tf", f"--out={file}"]
    assert main([*make, "--size=64"]) == 0
    content = {**tiny, "guidance_scales": [2]}
    run_tiny(content, tmp_path / "images")
    run_tiny({**content, "reference": {"source": "stats", "path": str(file)}}, tmp_path / "file")
    for by_images, by_file in zip(rows(tmp_path / "images"), rows(tmp_path / "file"), strict=True):
        assert float(by_file["value"]) == pytest.approx(float(by_images["value"]), rel=1e-9)
        assert by_file["note"] == by_images["note"]
