"""Writing a file whole: aside first, then renamed, so a reader sees the old bytes or the new ones."""

from __future__ import annotations

import os
import uuid
from contextlib import suppress
from pathlib import Path

from sdbench.core.errors import StoreError

__all__ = ["TEMPORARY", "write_whole"]

TEMPORARY = ".tmp"
"""The ending of files that are being written aside."""


def write_whole(path: Path, data: bytes, *, durable: bool = True) -> None:
    """Write `data` to `path`; its folder is made if need be.

    `durable` waits until the disk has the bytes, so that a rename never outlives its data in a power failure.
    StoreError names the file if the disk is full or the folder cannot be written.
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
        with suppress(OSError):  # what went wrong has been said above
            aside.unlink(missing_ok=True)
