"""Paths as people write them in specs and on command lines."""

from __future__ import annotations

import os
from pathlib import Path

from sdbench.core.errors import InputError

__all__ = ["existing_file", "existing_path"]


def existing_file(text: str, what: str) -> Path:
    """Return the file at `text`, with ~ and ${VARIABLES} expanded.

    Raises:
        InputError: It does not exist or is a folder; the message calls it `what`.
    """
    path = _path(text)
    if path.is_dir():
        raise InputError(f"{what}: {path} is a folder; name a file in it")
    if not path.is_file():
        raise _missing(what, path)
    return path


def existing_path(text: str, what: str) -> Path:
    """Return the file or folder at `text`, with ~ and ${VARIABLES} expanded.

    Raises:
        InputError: It does not exist; the message calls it `what`.
    """
    path = _path(text)
    if not path.exists():
        raise _missing(what, path)
    return path


def _path(text: str) -> Path:
    return Path(os.path.expandvars(text)).expanduser()


def _missing(what: str, path: Path) -> InputError:
    start = "" if path.is_absolute() else f" (relative paths start at {Path.cwd()})"
    return InputError(f"{what}: {path} not found{start}")
