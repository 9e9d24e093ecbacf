"""Where commands write: nothing is replaced without a word, and names that no file can have are bad input."""

from __future__ import annotations

from pathlib import Path

import pytest

from sdbench.cli import main
from sdbench.core.files import say_replaced

GRID = ["grid", "--prompt", "a red circle", "--models", "shapes-v1-1", "--steps", "2", "--scales", "2"]


@pytest.mark.parametrize(
    ("command", "file"),
    [
        ([*GRID, "--out", "{}/g.png"], "g.png"),
        (["plot", "published", "--out", "{}"], "published.png"),
        (["regress", "record", "--quick", "--sampler", "x=ddim", "--baseline", "{}"], "cpu-float32.json"),
    ],
)
def test_what_is_replaced_is_named(
    command: list[str], file: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / file).touch()
    assert main([part.format(tmp_path) for part in command]) == 0
    assert f"replaces the earlier {tmp_path / file}" in capsys.readouterr().err


@pytest.mark.parametrize(
    "command",
    [
        ["score", "{}", "--metrics", "kd-shapes-clip", "--reference", "{}"],
        ["score", ".", "--metrics", "kd-shapes-clip", "--reference", ".", "--out", "{}"],
        ["plot", "published", "--out", "{}"],
        ["plot", "{}"],
        [
            "grid",
            "--prompt",
            "a",
            "--models",
            "shapes-v1-1",
            "--steps",
            "1",
            "--scales",
            "1",
            "--out",
            "{}.png",
        ],
        ["run", "{}"],
        ["run", "shapes-demo", "--out", "{}"],
        ["status", "{}"],
        ["verify", "{}"],
        ["report", "{}"],
        ["stats", "make", ".", "--protocol", "kd-shapes-clip", "--out", "{}.npz"],
        ["regress", "check", "--baseline", "{}"],
        ["regress", "check", "--policy", "{}"],
        ["txt2img", "--outdir", "{}"],
    ],
    ids=" ".join,
)
def test_a_name_too_long_for_the_system_is_bad_input(
    command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name = str(tmp_path / ("a" * 300))
    assert main([part.format(name) for part in command]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("sdbench: ")
    assert err.count("\n") == 1


def test_several_files_are_one_line(tmp_path: Path) -> None:
    for name in "ab":
        (tmp_path / name).touch()
    notes: list[str] = []
    say_replaced([tmp_path / name for name in "abc"], notes.append)
    say_replaced([tmp_path / "c"], notes.append)
    assert notes == [f"replaces the earlier {tmp_path / 'a'} and 1 more"]
