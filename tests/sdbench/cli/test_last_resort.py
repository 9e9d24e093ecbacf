"""What nobody foresaw ends a command with one line."""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import pytest

from sdbench import cli
from sdbench.core.errors import InputError


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return monkeypatch


def fail_with(patch: pytest.MonkeyPatch, error: Exception) -> None:
    def run(args: argparse.Namespace) -> None:
        raise error

    patch.setattr(cli.COMMANDS["status"], "run", run)


def test_an_unforeseen_error_is_one_line_that_names_its_log(
    failing: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fail_with(failing, KeyError("two\nlines \x1b[2J"))
    assert cli.main(["status", "run"]) == 1
    line = capsys.readouterr().err
    assert line.count("\n") == 1
    assert line.startswith(r"sdbench: KeyError: 'two\nlines \x1b[2J': an error that sdbench did not foresee")
    (log,) = tmp_path.glob("sdbench-*.log")
    assert line.endswith(f"with the traceback in {log}\n")
    assert log.read_text().startswith("Traceback ")


@pytest.mark.parametrize("error", [RuntimeError("x"), InputError("x"), OSError("x")])
@pytest.mark.parametrize("arguments", [["--debug", "status", "run"], ["status", "run", "--debug"]])
def test_debug_shows_the_traceback(
    error: Exception, arguments: list[str], failing: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fail_with(failing, error)
    assert cli.main(arguments) == getattr(error, "exit_code", 1)
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].startswith("Traceback ")
    assert lines[-1].startswith("sdbench: ")
