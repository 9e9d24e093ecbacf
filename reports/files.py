"""Files that are whole or not there: what a full disk cuts off never replaces a finished page."""

from __future__ import annotations

import uuid
from contextlib import suppress
from pathlib import Path

from reports.errors import ReportError, WriteError

__all__ = ["write_whole"]


def write_whole(path: Path, data: bytes) -> None:
    """Write aside, then rename, and make the folder where it is missing.

    Raises WriteError, and leaves the old file as it was, where that cannot be done, ReportError where the
    folder is a file. Does not wait for the disk: whatever is written here can be drawn again.
    """
    aside = path.with_name(f".{path.name}.{uuid.uuid4().hex}.tmp")  # named as a run's other writes under way
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        aside.write_bytes(data)
        aside.replace(path)
    except (FileExistsError, NotADirectoryError):
        raise ReportError(f"{path.parent} is not a folder; name another one") from None
    except OSError as error:
        raise WriteError(error.errno, error.strerror, str(path)) from None
    finally:
        with suppress(OSError):  # what went wrong has been said above
            aside.unlink(missing_ok=True)
