""".zip and .tar archives as listings. Nothing is ever extracted.

Names are only compared and shown, never opened, so a name such as ../../x in a malicious archive is harmless.
"""

from __future__ import annotations

import lzma
import posixpath
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path

from sdbench.core.errors import one_line
from sdbench.data.image_sets.listing import SPECIAL, Listing

__all__ = ["list_tar", "list_zip", "read_tar", "read_zip"]

_WINDOWS = frozenset({0, 10, 11, 14})
"""Systems that wrote a zip entry whose names cannot hold a backslash: FAT, NTFS (two numbers), VFAT."""

_DAMAGED_ZIP = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, RuntimeError, OSError, ValueError)
_CHUNK = 1 << 20


def list_zip(path: Path) -> Listing[zipfile.ZipInfo]:
    """The entries of a .zip.

    Raises:
        ValueError: It is not a readable .zip.
    """
    found: Listing[zipfile.ZipInfo] = Listing()
    try:
        with zipfile.ZipFile(path) as archive:
            for entry in archive.infolist():
                name = entry.filename
                if entry.create_system in _WINDOWS:
                    name = name.replace("\\", "/")
                if name.endswith("/"):
                    continue
                if stat.S_ISLNK(entry.external_attr >> 16):
                    target = archive.read(entry).decode("utf-8", "surrogateescape")
                    found.link(name, posixpath.join(posixpath.dirname(name), target))
                else:
                    found.add(name, entry)
    except (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, RuntimeError, UnicodeError) as error:
        raise ValueError(f"is not a readable .zip: {one_line(error)}") from None
    found.settle()
    return found


def read_zip(path: Path, entries: Iterable[zipfile.ZipInfo]) -> Iterator[bytes]:
    """Yield the bytes of entries; raises ValueError if one cannot be read."""
    with zipfile.ZipFile(path) as archive:
        for entry in entries:
            try:
                yield archive.read(entry)
            except _DAMAGED_ZIP as error:  # RuntimeError: encrypted
                raise ValueError(f"cannot be read from the archive: {one_line(error)}") from None


def list_tar(path: Path) -> Listing[tarfile.TarInfo]:
    """The entries of a .tar without compression; links are followed inside the archive.

    Raises:
        ValueError: It is not a readable .tar, is cut off, or goes on after its end.
    """
    found: Listing[tarfile.TarInfo] = Listing()
    try:
        with tarfile.open(path, "r:") as archive:
            for member in archive:
                _add_member(found, member)
            end = archive.offset
    except (tarfile.TarError, EOFError, OverflowError) as error:
        raise ValueError(f"is not a readable .tar without compression: {one_line(error)}") from None
    _check_end(path, end)
    found.settle()
    return found


def read_tar(path: Path, members: Iterable[tarfile.TarInfo]) -> Iterator[bytes]:
    """Yield the bytes of members; raises ValueError if one cannot be read."""
    with tarfile.open(path, "r:") as archive:
        for member in members:
            try:
                stream = archive.extractfile(member)
                assert stream is not None  # it is a regular file
                yield stream.read()
            except (tarfile.TarError, EOFError) as error:
                raise ValueError(f"cannot be read from the archive: {one_line(error)}") from None


def _add_member(found: Listing[tarfile.TarInfo], member: tarfile.TarInfo) -> None:
    name = member.name.removeprefix("./")
    if member.isreg():
        found.add(name, member)
    elif member.islnk():  # names an entry
        found.link(name, member.linkname)
    elif member.issym():  # names a path from its own folder on
        found.link(name, posixpath.join(posixpath.dirname(name), member.linkname))
    elif not member.isdir():
        found.pass_over(SPECIAL, name)


def _check_end(path: Path, end: int) -> None:
    """Check that the end mark follows the last entry: tarfile takes what it cannot read for the end."""
    with path.open("rb") as stream:
        stream.seek(end)
        block = stream.read(tarfile.BLOCKSIZE)
        if len(block) < tarfile.BLOCKSIZE or any(block):
            raise ValueError("is a .tar without an end mark, so entries may be missing: copy it again")
        while chunk := stream.read(_CHUNK):
            if any(chunk):
                raise ValueError(
                    "is a .tar that holds more after its end mark; if it was joined from several "
                    "archives, put those into a folder instead"
                )
