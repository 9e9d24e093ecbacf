"""A folder that a training writes its checkpoints into: each becomes a checkpoint of the spec."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from sdbench.core.errors import InputError
from sdbench.models.diffusers_layout import INDEX
from sdbench.models.weights_entry import weights_entry
from sdbench.spec import ExperimentSpec
from sdbench.spec.model_entry import WEIGHTS_SUFFIXES
from sdbench.spec.models import CheckpointSpec

__all__ = ["WatchedFolder"]

_Stamp = tuple[int, int]
"""Bytes and time of the last change of a checkpoint's files."""


class WatchedFolder:
    """What a folder holds: weights files and diffusers folders, not those in folders of their own.

    A checkpoint counts once its files are the same at two looks: until then it may still be written.

    Raises:
        InputError: There is no such folder.
    """

    def __init__(self, folder: Path) -> None:
        if not folder.is_dir():
            raise InputError(f"--watch {folder}: not a folder; give the one that checkpoints are written to")
        self._folder = folder
        self._before: dict[Path, _Stamp] = {}
        self._taken: dict[Path, _Stamp] = {}
        self._refused: set[Path] = set()

    def grown(self, spec: ExperimentSpec) -> Iterator[tuple[Path, ExperimentSpec]]:
        """Look once; yield each new or changed checkpoint, and the spec with it and all earlier ones.

        Checkpoints follow those of the spec, oldest first. One whose name is taken is named after the folder
        too. A file that is gone is left out.
        """
        now = _stamps(self._folder)
        settled = {path: stamp for path, stamp in now.items() if self._before.get(path) == stamp}
        self._before = now
        self._taken = {path: stamp for path, stamp in self._taken.items() if path in now}
        new = [path for path, stamp in settled.items() if self._taken.get(path) != stamp]
        for path in sorted(new, key=lambda path: settled[path][1]):
            self._taken.pop(path, None)  # a changed one is the newest again
            self._taken[path] = settled[path]
            self._refused.discard(path)
            yield path, self._with_taken(spec)

    def refuse(self, path: Path) -> None:
        """Leave a checkpoint out until its files change."""
        self._refused.add(path)

    def _with_taken(self, spec: ExperimentSpec) -> ExperimentSpec:
        entries = list(spec.checkpoints)
        for path in self._taken:
            if path not in self._refused:
                entry = weights_entry(str(path), "--watch")
                if entry["name"] in {other.name for other in entries}:
                    entry["name"] = f"{self._folder.resolve().name}-{entry['name']}"
                entries.append(CheckpointSpec.model_validate(entry))
        return spec.model_copy(update={"checkpoints": tuple(entries)})


def _stamps(folder: Path) -> dict[Path, _Stamp]:
    """Return the checkpoints in a folder; what vanishes meanwhile is left out."""
    found = {}
    for path in sorted(folder.iterdir()):
        with suppress(OSError):
            if path.name.startswith("."):
                continue
            if (path / INDEX).is_file():
                files = [file for file in path.rglob("*") if file.is_file()]
            elif path.is_file() and path.suffix in WEIGHTS_SUFFIXES:
                files = [path]
            else:
                continue
            facts = [file.stat() for file in files]
            found[path] = sum(fact.st_size for fact in facts), max(fact.st_mtime_ns for fact in facts)
    return found
