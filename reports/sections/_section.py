"""The input of a section, and its result."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from reports.album import Album
from reports.runs import Run

__all__ = ["Absent", "Material", "Section"]


@dataclass(frozen=True, eq=False)
class Material:
    """What a section may use: the run's files and its pictures."""

    run: Run
    album: Album


@dataclass(frozen=True)
class Section:
    """A part of the page: its heading, and the values that its template (templates/KEY.html.j2) shows."""

    title: str
    content: Mapping[str, Any]


@dataclass(frozen=True)
class Absent:
    """A part that is left out; ``why`` is one line, such as the name of the missing file."""

    title: str
    why: str
