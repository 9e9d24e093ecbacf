"""Paths as people type them."""

from __future__ import annotations

import os
import unicodedata
from pathlib import Path

import pytest

from sdbench.core.errors import InputError
from sdbench.core.paths import existing_file, existing_path, typed_path


@pytest.fixture(autouse=True)
def _in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_home_and_variables_are_filled_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("DATA", "a")
    assert typed_path("~/x") == tmp_path / "x"
    assert typed_path("${DATA}/$DATA/$missing_") == Path("a/a/$missing_")


def test_a_name_that_starts_with_a_tilde(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"^images: ~no_such_user_/x not found \(relative paths start at "):
        existing_path("~no_such_user_/x", "images")
    (tmp_path / "~no_such_user_").mkdir()
    assert existing_path("~no_such_user_", "images") == Path("~no_such_user_")


def test_names_of_another_unicode_form_are_found(tmp_path: Path) -> None:
    composed, apart = (unicodedata.normalize(form, "é.txt") for form in ("NFC", "NFD"))
    (tmp_path / apart).write_text("a")
    assert existing_file(composed, "prompts").read_text() == "a"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "prompts: the path is empty"),
        ("  ", "prompts: the path is empty"),
        ("x" * 300, "File name too long"),
        ("nul\0byte", "not found"),
        ("folder", "folder is a folder; name a file in it"),
        ("pipe", "pipe is neither a file nor a folder"),
    ],
)
def test_what_is_no_file(text: str, expected: str, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InputError, match=r"^prompts: ") as error:
        existing_file(text, "prompts")
    assert expected in str(error.value)
