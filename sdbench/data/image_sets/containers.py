"""Folders, .zip and .tar archives as files under names with forward slashes. Nothing is ever extracted.

Names are only compared and shown, never opened, so a name such as ../../x in a malicious archive is harmless.
"""

from __future__ import annotations

import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

__all__ = ["CONTAINERS", "Container", "container"]


@dataclass(frozen=True)
class Container:
    """Files by name.

    Attributes:
        names: All names, sorted.
        read: Yields the bytes of the files with given names; raises OSError or ValueError if one cannot be
            read.
    """

    names: tuple[str, ...]
    read: Callable[[Iterable[str]], Iterator[bytes]]


def container(path: Path) -> Container:
    """Open the folder or archive at `path`.

    Raises:
        ValueError: It is neither a folder nor a valid archive of a known kind.
        OSError: It cannot be read.
    """
    if path.is_dir():
        return _folder(path)
    kind = CONTAINERS.get(path.suffix.lower())
    if kind is None:
        raise ValueError(f"is neither a folder nor one of {', '.join(CONTAINERS)}; unpack it first")
    return kind(path)


def _folder(path: Path) -> Container:
    files = {p.relative_to(path).as_posix(): p for p in path.rglob("*") if p.is_file()}

    def read(names: Iterable[str]) -> Iterator[bytes]:
        return (files[name].read_bytes() for name in names)

    return Container(_visible(files), read)


def _zip(path: Path) -> Container:
    try:
        with zipfile.ZipFile(path) as archive:
            names = {entry.filename for entry in archive.infolist() if not entry.is_dir()}
    except zipfile.BadZipFile as error:
        raise ValueError(f"is not a readable .zip: {error}") from None
    return Container(_visible(names), partial(_read_zip, path))


def _read_zip(path: Path, names: Iterable[str]) -> Iterator[bytes]:
    with zipfile.ZipFile(path) as archive:
        for name in names:
            try:
                yield archive.read(name)
            except (zipfile.BadZipFile, zlib.error, RuntimeError) as error:  # damaged, damaged, encrypted
                raise ValueError(f"cannot be read from the archive: {error}") from None


def _tar(path: Path) -> Container:
    try:
        with tarfile.open(path, "r:") as archive:
            names = set(_tar_members(archive))
    except tarfile.TarError as error:
        raise ValueError(f"is not a readable .tar without compression: {error}") from None
    return Container(_visible(names), partial(_read_tar, path))


def _read_tar(path: Path, names: Iterable[str]) -> Iterator[bytes]:
    with tarfile.open(path, "r:") as archive:
        members = _tar_members(archive)
        for name in names:
            stream = archive.extractfile(members[name])
            assert stream is not None  # it is a regular file
            yield stream.read()


def _tar_members(archive: tarfile.TarFile) -> dict[str, tarfile.TarInfo]:
    """Return the regular files by name, without the ./ with which tar may start names."""
    return {member.name.removeprefix("./"): member for member in archive if member.isreg()}


def _visible(names: Iterable[str]) -> tuple[str, ...]:
    """Return names sorted as paths (a/x before a-b/x), without hidden files and macOS resource forks."""
    visible = (name for name in names if not any(map(_hidden, name.split("/"))))
    return tuple(sorted(visible, key=lambda name: name.split("/")))


def _hidden(part: str) -> bool:
    return part == "__MACOSX" or (part.startswith(".") and part not in (".", ".."))


CONTAINERS: dict[str, Callable[[Path], Container]] = {".zip": _zip, ".tar": _tar}
