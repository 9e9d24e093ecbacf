"""Atomic writes: to a temporary file, then renamed, so that readers see the old or the new content."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

from sdbench.core.errors import StoreError

__all__ = ["TEMPORARY", "say_replaced", "write_whole"]

TEMPORARY = ".tmp"
"""Suffix of the temporary files."""


def say_replaced(files: Iterable[Path], note: Callable[[str], None]) -> None:
    """Tell `note` which of the files exist, before they are replaced: they may be another job's."""
    found = [str(file) for file in files if file.exists()]
    if found:
        note(f"replaces the earlier {found[0]}" + (f" and {len(found) - 1} more" if len(found) > 1 else ""))


def write_whole(path: Path, data: bytes, *, durable: bool = True) -> None:
    """Write `data` to `path` atomically; create its folder if needed.

    Args:
        path: The file to create or replace.
        data: Its content.
        durable: Wait until the data is on the disk before renaming, so that a power failure cannot leave a
            file with the final name and incomplete content.

    Raises:
        StoreError: The file cannot be written, for instance because the disk is full.
    """
    aside = path.with_name(f".{path.name}.{uuid.uuid4().hex}{TEMPORARY}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with aside.open("xb") as stream:
            stream.write(data)
            if durable:
                stream.flush()
                os.fsync(stream.fileno())
        aside.replace(path)
    except OSError as error:
        raise StoreError(f"{path}: cannot be written: {error.strerror}") from None
    finally:
        with suppress(OSError):  # the error that matters has been raised above
            aside.unlink(missing_ok=True)
