"""What reaches a terminal."""

from __future__ import annotations

import ast
import io
import sys
from pathlib import Path

import pytest

import sdbench
from sdbench.core.console import LineDisplay
from sdbench.core.errors import encodable
from sdbench.core.terminal import in_terminal, note, say, tolerate_encodings


def test_control_characters_are_shown_not_obeyed(capsys: pytest.CaptureFixture[str]) -> None:
    nasty = "a\x1b[2Jb\x07\x9b\u202ec\r"
    shown = r"a\x1b[2Jb\x07\x9b\u202ec\r"
    assert in_terminal(nasty) == shown
    assert in_terminal("tab\tline\né ± 日本") == "tab\tline\né ± 日本"
    say(nasty)
    LineDisplay(sys.stderr).note(nasty)
    note(nasty)
    out, err = capsys.readouterr()
    assert (out, err) == (f"{shown}\n", f"{shown}\n" * 2)


def test_everything_is_printed_by_one_function() -> None:
    folder = Path(sdbench.__file__).parent
    prints = [
        f"{file.relative_to(folder)}:{node.lineno}"
        for file in sorted(folder.rglob("*.py"))
        for node in ast.walk(ast.parse(file.read_bytes()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
    ]
    assert {place.partition(":")[0] for place in prints} == {"core/terminal.py"}, prints


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "cp437", "utf-8"])
def test_what_an_encoding_lacks_is_escaped(encoding: str, monkeypatch: pytest.MonkeyPatch) -> None:
    sink = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(sink, encoding=encoding, newline="\n"))
    tolerate_encodings()
    say("0.7 ± 0.1 日本 \udce9")
    sys.stdout.flush()
    text = sink.getvalue().decode(encoding)
    assert "0.1" in text
    assert r"\udce9" in text
    assert ("日本" in text) == (encoding == "utf-8")


def test_surrogates_are_escaped_for_files() -> None:
    assert encodable("caf\udce9 \ud83d é") == r"caf\xe9 \ud83d é"
