"""Folders and archives as files under names with forward slashes.

A folder whose images all lie in archives, such as the shards of a webdataset, is read as these archives.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from pathlib import Path, PurePosixPath
from typing import Any

from sdbench.data.image_sets.archives import list_tar, list_zip, read_tar, read_zip
from sdbench.data.image_sets.decoding import SUFFIXES
from sdbench.data.image_sets.listing import (
    BROKEN_LINK,
    HIDDEN,
    INNER_LINK,
    SPECIAL,
    Listing,
    hidden_part,
    sorted_as_paths,
)

__all__ = ["CONTAINERS", "Container", "container"]


@dataclass(frozen=True)
class Container:
    """Files by name.

    Attributes:
        names: All names, sorted.
        read: Yields the bytes of the files with given names; raises OSError or ValueError if one cannot be
            read.
        passed_over: Names of entries that are no files of the container, by the rule that says why.
    """

    names: tuple[str, ...]
    read: Callable[[Iterable[str]], Iterator[bytes]]
    passed_over: dict[str, list[str]]


_Read = Callable[[Iterable[Any]], Iterator[bytes]]
_Part = tuple[Listing[Any], _Read]


def container(path: Path) -> Container:
    """Open the folder or archive at `path`.

    Raises:
        ValueError: It is neither a folder nor a valid archive of a known kind.
        OSError: It cannot be read.
    """
    if path.is_dir():
        return _folder(path)
    return _joined({"": _archive(path)})


def _archive(path: Path) -> _Part:
    kind = CONTAINERS.get(path.suffix.lower())
    if kind is None:
        raise ValueError(f"is neither a folder nor one of {', '.join(CONTAINERS)}; unpack it first")
    return kind(path)


def _folder(path: Path) -> Container:
    found = _walked(path)
    archives = [name for name in found.files if PurePosixPath(name).suffix.lower() in CONTAINERS]
    if not archives or any(PurePosixPath(name).suffix.lower() in SUFFIXES for name in found.files):
        return _joined({"": (found, _read_files)})
    parts = {}
    for name in sorted_as_paths(archives):
        try:
            parts[f"{name}/"] = _archive(found.files.pop(name))
        except ValueError as error:
            raise ValueError(f"holds {name}, which {error}") from None
    return _joined({"": (found, _read_files), **parts})


def _joined(parts: dict[str, _Part]) -> Container:
    """One container of several listings; the key of each starts its names."""
    places: dict[str, tuple[str, Any]] = {}
    passed_over: dict[str, list[str]] = {}
    for start, (found, _) in parts.items():
        places.update({start + name: (start, handle) for name, handle in found.files.items()})
        for rule, names in found.passed_over.items():
            passed_over.setdefault(rule, []).extend(start + name for name in names)

    def read(names: Iterable[str]) -> Iterator[bytes]:
        wanted = (places[name] for name in names)
        for start, group in groupby(wanted, key=lambda place: place[0]):
            yield from parts[start][1](handle for _, handle in group)

    return Container(sorted_as_paths(places), read, passed_over)


def _walked(root: Path) -> Listing[Path]:
    """The files of a folder; links to folders are followed, but no folder is read twice."""
    found: Listing[Path] = Listing()
    folders: list[tuple[str, Path]] = [("", root)]
    links: list[tuple[str, Path]] = []
    seen: set[tuple[int, int]] = set()
    while folders or links:
        start, folder = folders.pop() if folders else links.pop(0)
        identity = _identity(folder.stat())
        if identity in seen:
            found.pass_over(INNER_LINK, start.rstrip("/"))
            continue
        seen.add(identity)
        with os.scandir(folder) as entries:
            for entry in sorted(entries, key=lambda entry: entry.name):
                if _is_folder(entry, start + entry.name, found):
                    queue = links if entry.is_symlink() else folders
                    queue.append((f"{start}{entry.name}/", folder / entry.name))
    return found


def _is_folder(entry: os.DirEntry[str], name: str, found: Listing[Path]) -> bool:
    """Whether the entry leads to a folder to read; everything else is added to `found`."""
    status = _status(entry)
    if hidden_part(name) is not None:
        found.pass_over(HIDDEN, name)
    elif status is None:
        found.pass_over(BROKEN_LINK, name)
    elif stat.S_ISREG(status.st_mode):
        found.add(name, Path(entry.path))
    elif not stat.S_ISDIR(status.st_mode):
        found.pass_over(SPECIAL, name)
    else:
        return True
    return False


def _status(entry: os.DirEntry[str]) -> os.stat_result | None:
    """The status of what an entry leads to; None for a broken link."""
    try:
        return entry.stat()
    except OSError:
        if entry.is_symlink():
            return None
        raise


def _identity(status: os.stat_result) -> tuple[int, int]:
    return status.st_dev, status.st_ino


def _read_files(paths: Iterable[Path]) -> Iterator[bytes]:
    return (path.read_bytes() for path in paths)


def _zip(path: Path) -> _Part:
    return list_zip(path), partial(read_zip, path)


def _tar(path: Path) -> _Part:
    return list_tar(path), partial(read_tar, path)


CONTAINERS: dict[str, Callable[[Path], _Part]] = {".zip": _zip, ".tar": _tar}
