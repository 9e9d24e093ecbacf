"""Where fetched weights came from: their origin and digests, in a JSON file next to them.

The digests are compared with the files whenever the weights are identified.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from sdbench.core.digest import digest_file
from sdbench.core.errors import InputError
from sdbench.core.files import write_whole
from sdbench.core.json import load_json
from sdbench.models.diffusers_layout import file_names, needed_files

__all__ = ["Origin", "file_digests", "origin_path", "read_origin", "write_origin"]


@dataclass(frozen=True)
class Origin:
    """Where weights came from.

    Attributes:
        repository: The hub id, ORGANISATION/NAME.
        commit: The commit of the repository.
        licence: The name of the licence and where to read it.
        fetched: When they were fetched.
        sha256: The digest of each file, by its path relative to the folder of weights.
    """

    repository: str
    commit: str
    licence: str
    fetched: str
    sha256: dict[str, str]


def origin_path(weights: Path) -> Path:
    """Return the file with the origin of a file or folder of weights: NAME.json next to NAME."""
    return weights.with_name(f"{weights.name}.json")


def write_origin(weights: Path, origin: Origin) -> None:
    """Write the origin of `weights`."""
    write_whole(origin_path(weights), (json.dumps(asdict(origin), indent=2) + "\n").encode())


def read_origin(weights: Path) -> Origin | None:
    """Return the origin of `weights`, None if they were not fetched; InputError if it cannot be read."""
    path = origin_path(weights)
    if not path.is_file():
        return None
    try:
        content = load_json(path.read_bytes())
        return Origin(**{**content, "sha256": dict(content["sha256"])})
    except (OSError, ValueError, TypeError, KeyError):
        raise InputError(f"{path}: does not describe fetched weights; delete it and fetch again") from None


def file_digests(weights: Path) -> dict[str, str]:
    """Return the sha256 of a file, or of each file of a diffusers folder that is read, by relative path.

    Raises:
        InputError: The weights changed since they were fetched.
    """
    found = _digests(weights)
    origin = read_origin(weights)
    if origin is not None and origin.sha256 != found:
        differing = sorted({name for name, _ in origin.sha256.items() ^ found.items()})
        raise InputError(
            f"{weights}: {differing[0]} is not what was fetched from {origin.repository} on {origin.fetched} "
            f"(sha256 differs); delete it and fetch again"
        )
    return found


def _digests(weights: Path) -> dict[str, str]:
    if weights.is_file():
        return {weights.name: digest_file(weights)}
    return {name: digest_file(weights / name) for name in needed_files(file_names(weights))}
