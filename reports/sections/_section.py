"""What a section is made of, and what it becomes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from reports.album import Album
from reports.runs import Run

__all__ = ["Absent", "Material", "Section"]


@dataclass(frozen=True, eq=False)
class Material:
    """What sections are made of: the run's files and its pictures."""

    run: Run
    album: Album


@dataclass(frozen=True)
class Section:
    """A part of the page: its heading, and what its template (templates/KEY.html.j2) shows."""

    title: str
    content: Mapping[str, Any]


@dataclass(frozen=True)
class Absent:
    """A part that the run has no files for; ``why`` is one line that says which file is missing."""

    title: str
    why: str
