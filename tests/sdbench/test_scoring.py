"""Scoring what others made, and a run again."""

from __future__ import annotations

import csv
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from metrics import clip_score_estimate, frechet_estimate
from metrics.evaluate import prepare
from metrics.protocols import PROTOCOLS
from metrics.reference_stats import read_stats
from sdbench import runner
from sdbench.cli import main

Run = Callable[[dict[str, Any], Path], Any]
N = 12


@pytest.fixture
def generated(tmp_path: Path) -> Path:
    """Twelve images of 9x7 pixels."""
    folder = tmp_path / "mine"
    folder.mkdir()
    for i, pixels in enumerate(np.random.default_rng(4).integers(0, 256, (N, 7, 9, 3), dtype=np.uint8)):
        Image.fromarray(pixels).save(folder / f"{i:02d}.png")
    return folder


@pytest.fixture
def prompts(tmp_path: Path) -> Path:
    path = tmp_path / "prompts.txt"
    path.write_text("\n".join(f"prompt {i}" for i in range(N)))
    return path


@pytest.fixture
def score(
    generated: Path, prompts: Path, reference_folder: Path, tmp_path: Path, pixels: Any
) -> Callable[..., int]:
    """Run the command on `images` with other arguments than the usual ones; None leaves one away."""

    def run(images: Path = generated, **changes: Any) -> int:
        usual = {
            "prompts": prompts,
            "reference": reference_folder,
            "metrics": "fid-inception-tf,clip-score-vit-l-14",
            "out": tmp_path / "scores",
        }
        given = {name: value for name, value in {**usual, **changes}.items() if value is not None}
        return main(["score", str(images), *(f"--{name}={value}" for name, value in given.items())])

    return run


def rows(folder: Path, file: str = "results.csv") -> list[dict[str, str]]:
    with (folder / file).open(encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def features(folder: Path, pixels: Any) -> np.ndarray:
    return pixels.images(np.stack([np.asarray(Image.open(path)) for path in sorted(folder.glob("*.png"))]))


def test_figures_are_those_of_the_features(
    score: Callable[..., int],
    generated: Path,
    tmp_path: Path,
    pixels: Any,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert score(reference=generated) == 0
    fid, clip = rows(tmp_path / "scores")
    mine = features(generated, pixels)
    expected = clip_score_estimate(image=mine, text=pixels.texts([f"prompt {i}" for i in range(N)]))
    assert float(clip["value"]) == pytest.approx(expected.value, rel=1e-6)
    assert float(clip["standard_error"]) == pytest.approx(expected.standard_error, rel=1e-6)
    assert abs(float(fid["value"])) < 1e-9  # the images are their own reference, of their own size
    unknown = ("sampler", "steps", "eta", "guidance_scale", "nfe", "seed", "precision", "weights_digest")
    assert {fid[name] for name in unknown} == {""}
    assert (fid["checkpoint"], fid["n"], fid["flagged"], fid["image_size"]) == ("mine", "12", "0", "7x9")
    assert rows(tmp_path / "scores", "flagged.csv") == []
    out, err = capsys.readouterr()
    assert out.splitlines()[1].startswith(f"clip-score-vit-l-14  {expected.value:.6g}")
    assert f"± {expected.standard_error:.2g}" in out.splitlines()[1]
    assert "12/12 images" in err
    assert main(["plot", str(tmp_path / "scores")]) == 2
    assert "images scored without guidance scales make no curve" in capsys.readouterr().err


def test_a_zip_scores_as_its_folder_does_and_twice_the_same(
    score: Callable[..., int], generated: Path, tmp_path: Path
) -> None:
    archive = tmp_path / "mine.zip"
    with zipfile.ZipFile(archive, "w") as stream:
        for path in generated.iterdir():
            stream.write(path, path.name)
    written = []
    for images, out in ((generated, "a"), (archive, "b"), (generated, "a")):
        assert score(images, out=tmp_path / out) == 0
        written.append([(tmp_path / out / f"results.{kind}").read_bytes() for kind in ("csv", "parquet")])
    assert written[0] == written[1] == written[2]


def test_flagged_images_are_named(
    score: Callable[..., int], generated: Path, tmp_path: Path, pixels: Any
) -> None:
    Image.new("RGB", (9, 7)).save(generated / "03.png")
    (generated / "05.png").write_bytes((generated / "04.png").read_bytes())
    whole = (generated / "07.png").read_bytes()
    (generated / "07.png").write_bytes(whole[:-40])
    lines = [f"{i:02d}.png,prompt {i},{'unsafe' if i == 9 else ''}" for i in range(N)]
    (tmp_path / "p.csv").write_text("\n".join(["file,prompt,flags", *lines]))
    assert score(prompts=tmp_path / "p.csv", mapping="csv", reference=generated.parent / "reference") == 0
    assert [
        (row["image"], row["flags"], row["like"]) for row in rows(tmp_path / "scores", "flagged.csv")
    ] == [
        ("03.png", "black", ""),
        ("05.png", "duplicate", "04.png"),
        ("07.png", "truncated", ""),
        ("09.png", "unsafe", ""),
    ]
    clip = rows(tmp_path / "scores")[1]
    kept = [i for i in range(N) if i not in (3, 5, 7, 9)]
    (generated / "07.png").write_bytes(whole)
    mine = features(generated, pixels)
    without = clip_score_estimate(image=mine[kept], text=pixels.texts([f"prompt {i}" for i in kept]))
    assert "4 flagged images (1 black, 1 duplicate, 1 truncated, 1 unsafe) are included" in clip["note"]
    assert f"without them {without.value:.6g} ± {without.standard_error:.3g} (n = 8)" in clip["note"]
    assert (clip["n"], clip["flagged"]) == ("12", "4")


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"metrics": None}, "--metrics is missing"),
        ({"metrics": "fid"}, "unknown metric 'fid': "),
        ({"reference": None}, "fid-inception-tf compares with real images: give --reference"),
        ({"reference": "shapes:many"}, "reference: shapes:many is not shapes:COUNT:SEED"),
        ({"reference": "shapes:1:2"}, "reference: shapes:1:2 is not shapes:COUNT:SEED"),
        ({"reference": "none"}, "reference.path: none not found"),
        ({"prompts": None}, "mapping index needs --prompts FILE"),
    ],
)
def test_what_is_missing(
    changes: dict[str, Any],
    expected: str,
    score: Callable[..., int],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert score(**changes) == 2
    assert f"sdbench: {expected}" in capsys.readouterr().err.splitlines()[-1]
    assert not (tmp_path / "scores" / "results.csv").exists()


def test_distances_need_no_prompts_and_scores_no_reference(score: Callable[..., int], tmp_path: Path) -> None:
    assert score(metrics="fid-inception-tf", prompts=None) == 0
    assert score(metrics="clip-score-vit-l-14", reference=None) == 0
    assert [row["protocol"] for row in rows(tmp_path / "scores")] == ["clip-score-vit-l-14"]


def test_mixed_sizes_end_it(
    score: Callable[..., int], generated: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Image.new("RGB", (8, 7), "red").save(generated / "05.png")
    assert score() == 2
    assert "00.png has 9x7 pixels and 05.png has 8x7 pixels" in capsys.readouterr().err.splitlines()[-1]


@pytest.mark.parametrize("kind", ["safetensors", "npz"])
def test_statistics_stand_for_their_images(
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
    assert "must be of one size" in capsys.readouterr().err
    assert main([*make, "--size=7x9"]) == 0
    assert capsys.readouterr().out == f"12 images, 3 dimensions: {file}\n"
    assert score(metrics="fid-inception-tf", out=tmp_path / "images") == 0
    assert score(metrics="fid-inception-tf", reference=file, out=tmp_path / "file") == 0
    (by_images,), (by_file,) = rows(tmp_path / "images"), rows(tmp_path / "file")
    assert float(by_file["value"]) == pytest.approx(float(by_images["value"]), rel=1e-9)
    assert ("on trust" in by_file["note"]) == (kind == "npz")
    real = prepare(PROTOCOLS["fid-inception-tf"], read_stats(file).moments)
    mine = frechet_estimate(real=real, generated=features(generated, pixels))
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
    assert pixels.calls == []  # said before the first image is measured


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
    assert "inception-v3.safetensors: there is no such file of statistics" in capsys.readouterr().err


def test_what_differs_between_protocols_of_one_formula_is_said(
    score: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert score(metrics="fid-inception-tf,kid-inception-tf,fid-clip-vit-l-14", prompts=None) == 0
    lines = capsys.readouterr().out.splitlines()
    (heading,) = [place for place, line in enumerate(lines) if line.startswith("what differs")]
    tf, clip = lines[heading + 1 : heading + 3]
    assert "what differs between the 2 figures of one formula (Fréchet distance" in lines[heading]
    assert tf.startswith("fid-inception-tf   ")
    assert "bilinear without antialiasing" in tf
    assert "bicubic antialiased" in clip
    assert {row["protocol"] for row in rows(tmp_path / "scores", "protocols.csv")} == {
        "fid-inception-tf",
        "kid-inception-tf",
        "fid-clip-vit-l-14",
    }


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--protocol=clip-score-vit-l-14", "--out=s.npz"], "compares with no real images"),
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


def test_a_run_is_scored_again_without_making_images(
    tiny: dict[str, Any],
    tmp_path: Path,
    run_tiny: Run,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    run = tmp_path / "run"
    run_tiny({**tiny, "guidance_scales": [2]}, run)
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    (run / "results.csv").unlink()
    monkeypatch.setattr(runner, "at_work", None)
    assert main(["score", str(run)]) == 0
    assert {path: path.read_bytes() for path in run.rglob("*") if path.is_file()} == before
    assert main(["score", str(run), "--metrics=fid-inception-tf"]) == 2
    assert "leave --metrics away" in capsys.readouterr().err
    next((run / "shards").rglob("*.parquet")).unlink()
    assert main(["score", str(run)]) == 1
    assert "of 6 images are not made yet; go on: sdbench run" in capsys.readouterr().err
