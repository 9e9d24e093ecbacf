"""Scoring images that others made, and scoring a run again."""

from __future__ import annotations

import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from metrics import clip_score_estimate
from sdbench.cli import main
from sdbench.models.samplers import resolve_sampler, sampler_identity
from sdbench.sweep.executors import EXECUTORS
from tests.sdbench.conftest import N, features, rows

Run = Callable[[dict[str, Any], Path], Any]


def test_values_are_those_of_the_features(
    score: Callable[..., int],
    generated: Path,
    tmp_path: Path,
    pixels: Any,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert score(reference=generated) == 0
    fid, clip = rows(tmp_path / "scores")
    mine = features(generated, pixels)
    expected = clip_score_estimate(generated=mine, text=pixels.texts([f"prompt {i}" for i in range(N)]))
    assert float(clip["value"]) == pytest.approx(expected.value, rel=1e-6)
    assert float(clip["standard_error"]) == pytest.approx(expected.standard_error, rel=1e-6)
    assert abs(float(fid["value"])) < 1e-9  # the images are their own reference set
    unknown = ("sampler", "steps", "eta", "guidance_scale", "nfe", "seed", "precision", "weights_digest")
    assert {fid[name] for name in unknown} == {""}
    assert fid["cell"] == fid["curve"] == "mine"
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
    without = clip_score_estimate(generated=mine[kept], text=pixels.texts([f"prompt {i}" for i in kept]))
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


def test_what_differs_between_protocols_of_one_formula_is_printed(
    score: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert score(metrics="fid-inception-tf,kid-inception-tf,fid-clip-vit-l-14", prompts=None) == 0
    lines = capsys.readouterr().out.splitlines()
    (heading,) = [place for place, line in enumerate(lines) if line.startswith("what differs")]
    tf, clip = lines[heading + 1 : heading + 3]
    assert "what differs between the 2 protocols of one formula (Fréchet distance" in lines[heading]
    assert tf.startswith("fid-inception-tf   ")
    assert "bilinear without antialiasing" in tf
    assert "bicubic antialiased" in clip
    assert {row["protocol"] for row in rows(tmp_path / "scores", "protocols.csv")} == {
        "fid-inception-tf",
        "kid-inception-tf",
        "fid-clip-vit-l-14",
    }


def test_a_run_is_read_without_its_weights_and_its_sampler(
    tiny: dict[str, Any], tmp_path: Path, run_tiny: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    weights, module, run = tmp_path / "mine.ckpt", tmp_path / "mine.py", tmp_path / "run"
    shutil.copyfile(tiny["checkpoints"][0]["path"], weights)
    module.write_text("from reference_model.samplers import SAMPLERS\n\nddim = SAMPLERS['ddim']\n")
    content = {**tiny, "checkpoints": [{**tiny["checkpoints"][0], "path": str(weights)}]}
    run_tiny({**content, "samplers": [{"name": f"{module}:ddim", "steps": 2}]}, run)
    before = (run / "results.csv").read_bytes()
    weights.unlink()
    module.unlink()
    resolve_sampler.cache_clear()
    sampler_identity.cache_clear()
    for command in (["score", run], ["status", run], ["verify", run], ["plot", run], ["diff", run, run]):
        assert main(list(map(str, command))) == 0, command
    assert (run / "results.csv").read_bytes() == before
    assert main(["records", str(run)]) == 2
    assert "its spec lists no records" in capsys.readouterr().err


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
    monkeypatch.setitem(EXECUTORS, "inline", None)  # opened for work alone
    assert main(["score", str(run)]) == 0
    page = {path for path in run.rglob("*") if "report" in path.parts}
    assert {p: p.read_bytes() for p in run.rglob("*") if p.is_file() and p not in page} == before
    next((run / "shards").rglob("*.parquet")).unlink()
    assert main(["score", str(run)]) == 1
    assert "of 6 images are not made yet; resume with: sdbench run" in capsys.readouterr().err
