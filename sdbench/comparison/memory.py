"""What is known of images by their content, kept on disk: an image is decoded and extracted once.

One SQLite file under the folder of `sdbench.models.home`; deleting it only costs time.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from sdbench.core.errors import StoreError
from sdbench.models.home import home

__all__ = ["Memory"]

WAIT = 60.0
"""Seconds to wait while another process writes."""

AT_A_TIME = 500


class Memory:
    """Values by kind and key, kept between commands. Use it in a `with` block.

    Args:
        path: The SQLite file; None takes that of this machine.
        write: Whether values are put; otherwise the file must be there, and is not touched.
    """

    def __init__(self, path: Path | None = None, *, write: bool = True) -> None:
        self.path = path or home() / "compare.sqlite"
        try:
            if not write:
                uri = f"{self.path.resolve().as_uri()}?mode=ro&immutable=1"
                self._file = sqlite3.connect(uri, uri=True)
                return
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file = sqlite3.connect(self.path, timeout=WAIT)
            self._file.execute(
                "create table if not exists known (kind text, key text, value blob, primary key (kind, key))"
            )
        except (OSError, sqlite3.Error) as error:
            raise self._problem(error) from None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def get(self, kind: str, keys: Iterable[str]) -> dict[str, bytes]:
        """Return the values of those keys that are known."""
        wanted = list(dict.fromkeys(keys))
        found: dict[str, bytes] = {}
        try:
            for start in range(0, len(wanted), AT_A_TIME):
                part = wanted[start : start + AT_A_TIME]
                marks = ",".join("?" * len(part))
                query = f"select key, value from known where kind = ? and key in ({marks})"
                found.update(self._file.execute(query, [kind, *part]).fetchall())
        except sqlite3.Error as error:
            raise self._problem(error) from None
        return found

    def everything(self) -> dict[str, dict[str, bytes]]:
        """Return all values by kind and key, in the order in which they were put."""
        found: dict[str, dict[str, bytes]] = {}
        try:
            for kind, key, value in self._file.execute("select kind, key, value from known order by rowid"):
                found.setdefault(kind, {})[key] = value
        except sqlite3.Error as error:
            raise self._problem(error) from None
        return found

    def put(self, kind: str, values: Mapping[str, bytes]) -> None:
        """Remember values; they are on disk when this returns."""
        try:
            with self._file:
                rows = [(kind, key, value) for key, value in values.items()]
                self._file.executemany("insert or replace into known values (?, ?, ?)", rows)
        except sqlite3.Error as error:
            raise self._problem(error) from None

    def _problem(self, error: Exception) -> StoreError:
        return StoreError(f"{self.path}: {error}; it only saves time: delete it, or set SDBENCH_HOME")
