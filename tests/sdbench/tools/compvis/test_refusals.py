"""What the two commands refuse, with one line and without writing a file: wrong input, too little memory."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from sdbench.cli import main
from sdbench.tools.compvis import img2img, loop
from tests.sdbench.tools.compvis.conftest import PICTURE, TINY, UNCHECKED, Watched, said

Command = Callable[..., Watched]


def test_sides_that_vanish(command: Command, capsys: pytest.CaptureFixture[str]) -> None:
    assert command("txt2img", "--W", "63").code == 2
    assert said(capsys, "sdbench:") == ["sdbench: --W, --H: sides must be at least 64 pixels, got 63 x 64"]


@pytest.mark.parametrize(
    ("flags", "line"),
    [
        (["--from-file", "nowhere.txt"], "--from-file nowhere.txt: No such file"),
        (["--ckpt", "nowhere.ckpt"], "checkpoint ckpt: nowhere.ckpt not found"),
        (["--config", "nowhere.yaml"], "--config: nowhere.yaml not found"),
        (
            ["--C", "3"],
            "--C 3 --f 8 do not fit the model, which has 4 latent channels and 8 pixels per latent",
        ),
        (["--outdir", __file__], f"--outdir {__file__}: Not a directory"),
        (["--ddim_steps", "1001"], "--ddim_steps: steps must lie in 1..1000"),
    ],
)
def test_wrong_input_is_one_line(
    flags: list[str], line: str, command: Command, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command("txt2img", *flags).code == 2
    err = capsys.readouterr().err
    assert err.startswith(f"sdbench: {line}")
    assert err.count("\n") == 1
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("levels", [np.uint16, np.int32, np.float32])
def test_an_initial_picture_of_more_than_8_bits(
    levels: type, command: Command, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "init.tiff"
    Image.fromarray(np.full((64, 64), 9000, levels)).save(path)
    assert command("img2img", f"--init-img={path}").code == 2
    (line,) = said(capsys, f"sdbench: --init-img {path}: ")
    assert "convert it to 8 bits per channel first" in line


@pytest.mark.parametrize("content", [b"", b"not a picture"])
def test_an_initial_picture_that_is_no_image(
    content: bytes, command: Command, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "init.png").write_bytes(content)
    assert command("img2img", f"--init-img={tmp_path / 'init.png'}").code == 2
    assert len(said(capsys, f"sdbench: --init-img {tmp_path / 'init.png'}: ")) == 1


@pytest.mark.parametrize(
    ("flags", "advice"),
    [([], "sdbench models fetch sd-v1-4"), (["--laion400m"], "download it from https://ommer-lab.com/")],
)
def test_missing_default_weights_say_where_to_get_them(
    flags: list[str],
    advice: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["txt2img", *flags]) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert "model.ckpt not found" in err
    assert advice in err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "flags",
    [
        ["--n_samples", "0"],
        ["--seed", "4294967296"],
        ["--scale", "inf"],
        ["--ddim_eta", "-1"],
        ["--ddim_eta", "1.5"],
        ["--strength", "1.01"],
        ["--strength", "-0.5"],
        ["--strength", "nan"],
    ],
)
def test_numbers_out_of_range(flags: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    name = ["img2img", "--init-img", PICTURE] if flags[0] == "--strength" else ["txt2img"]
    with pytest.raises(SystemExit) as end:
        main([*name, *TINY, *UNCHECKED, *flags])
    assert end.value.code == 2
    err = capsys.readouterr().err
    assert err.startswith(f"sdbench: argument {flags[0]}: ")
    assert err.count("\n") == 1


@pytest.mark.parametrize("side", [str(10**power) for power in (8, 9, 20)])
def test_sides_that_exceed_any_memory(
    side: str, command: Command, capsys: pytest.CaptureFixture[str]
) -> None:
    seen = command("txt2img", "--H", side, "--W", side)
    assert seen.code == 2
    line = "sdbench: --H, --W: out of memory: use smaller sides or a smaller --n_samples"
    assert said(capsys, "sdbench:") == [line]
    assert not seen.files


def test_running_out_of_memory_while_sampling_a_picture(
    command: Command, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(*_: object, **__: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(img2img, "vary", full)
    assert command("img2img", f"--init-img={PICTURE}").code == 2
    assert len(said(capsys, "sdbench: --init-img: out of memory")) == 1


def test_other_errors_of_the_library_are_not_changed() -> None:
    with pytest.raises(RuntimeError, match="shapes"), loop.within_memory("--H, --W"):
        raise RuntimeError("shapes cannot be multiplied")
