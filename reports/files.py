"""Whole files: a write that fails halfway, as on a full disk, leaves the old file in place."""

from __future__ import annotations

import uuid
from contextlib import suppress
from pathlib import Path

from reports.errors import ReportError, WriteError

__all__ = ["write_whole"]


def write_whole(path: Path, data: bytes) -> None:
    """Write ``data`` beside ``path`` and rename it into place, making the folder if it is missing.

    Does not flush to the disk, since everything written here can be drawn again.

    Raises:
        WriteError: The file cannot be written; the old one stays as it was.
        ReportError: The folder is a file.
    """
    aside = path.with_name(
        f".{path.name}.{uuid.uuid4().hex}.tmp"
    )  # the name of every unfinished file in a run
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        aside.write_bytes(data)
        aside.replace(path)
    except (FileExistsError, NotADirectoryError):
        raise ReportError(f"{path.parent} is not a folder; name another one") from None
    except OSError as error:
        raise WriteError(error.errno, error.strerror, str(path)) from None
    finally:
        with suppress(OSError):  # keep the error raised above
            aside.unlink(missing_ok=True)
