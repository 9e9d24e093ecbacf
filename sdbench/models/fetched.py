"""What was fetched: the digests of its files, in a small JSON beside them, held against them ever after."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from sdbench.core.digest import digest_file
from sdbench.core.errors import InputError
from sdbench.core.files import write_whole
from sdbench.models.diffusers_layout import file_names, needed_files

__all__ = ["Record", "file_digests", "read_record", "record_path", "write_record"]


@dataclass(frozen=True)
class Record:
    """Where weights came from, and the sha256 of each file by its name relative to the weights."""

    repository: str
    commit: str
    licence: str
    fetched: str
    sha256: dict[str, str]


def record_path(weights: Path) -> Path:
    """The record of a file or folder of weights: NAME.json beside NAME."""
    return weights.with_name(f"{weights.name}.json")


def write_record(weights: Path, record: Record) -> None:
    """Write the record of `weights` in one step."""
    write_whole(record_path(weights), (json.dumps(asdict(record), indent=2) + "\n").encode())


def read_record(weights: Path) -> Record | None:
    """The record of `weights`; None where nothing was recorded. InputError where it cannot be read."""
    path = record_path(weights)
    if not path.is_file():
        return None
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return Record(**{**content, "sha256": dict(content["sha256"])})
    except (OSError, ValueError, TypeError, KeyError):
        raise InputError(f"{path}: is not a record of what was fetched; delete it and fetch again") from None


def file_digests(weights: Path) -> dict[str, str]:
    """The sha256 of the file, or of each file of a diffusers folder that is read, by relative name.

    Raises InputError where a record says otherwise: the weights changed since they were fetched.
    """
    found = _digests(weights)
    record = read_record(weights)
    if record is not None and record.sha256 != found:
        differing = sorted({name for name, _ in record.sha256.items() ^ found.items()})
        raise InputError(
            f"{weights}: {differing[0]} is not what was fetched from {record.repository} on {record.fetched} "
            f"(sha256 differs); delete it and fetch again"
        )
    return found


def _digests(weights: Path) -> dict[str, str]:
    if weights.is_file():
        return {weights.name: digest_file(weights)}
    return {name: digest_file(weights / name) for name in needed_files(file_names(weights))}
