"""Paths as people write them in specs and on command lines."""

from __future__ import annotations

import os
import re
import unicodedata
from pathlib import Path

from sdbench.core.errors import InputError

__all__ = ["existing_file", "existing_path", "file_name", "typed_path"]

_LONGEST = 100
"""Characters of a name that a file or folder keeps; systems allow 255 bytes."""


def existing_file(text: str, what: str) -> Path:
    """Return the file at `text`, with ~ and ${VARIABLES} expanded.

    Raises:
        InputError: It does not exist or is a folder; the message calls it `what`.
    """
    path = existing_path(text, what)
    if path.is_dir():
        raise InputError(f"{what}: {path} is a folder; name a file in it")
    return path


def existing_path(text: str, what: str) -> Path:
    """Return the file or folder at `text`, with ~ and ${VARIABLES} expanded.

    Raises:
        InputError: It does not exist; the message calls it `what`.
    """
    if not text.strip():
        raise InputError(f"{what}: the path is empty")
    path = typed_path(text)
    try:
        found = next((each for each in _spellings(path) if each.exists()), None)
        if found is not None and not (found.is_file() or found.is_dir()):
            raise InputError(f"{what}: {path} is neither a file nor a folder")
    except OSError as error:
        raise InputError(f"{what}: {path}: {error.strerror}") from None
    if found is None:
        start = "" if path.is_absolute() else f" (relative paths start at {Path.cwd()})"
        raise InputError(f"{what}: {path} not found{start}")
    return found


def file_name(name: str) -> str:
    """Return a name as part of the name of a file: without slashes, colons and spaces, and not too long."""
    return re.sub(r"[^\w.@+-]", ".", name, flags=re.ASCII)[:_LONGEST]


def typed_path(text: str) -> Path:
    """The path with ~ and ${VARIABLES} filled in; a ~NAME without such a user is a plain name."""
    path = Path(os.path.expandvars(text))
    try:
        return path.expanduser()
    except RuntimeError:
        return path


def _spellings(path: Path) -> list[Path]:
    """The path in the Unicode forms of other systems too: macOS writes form D, keyboards form C."""
    forms = [unicodedata.normalize(form, str(path)) for form in ("NFC", "NFD")]
    return [path, *(Path(form) for form in forms if form != str(path))]
