"""What a container of images holds, by the rules that all kinds of containers share.

Everything found becomes a file of the listing or is passed over by a named rule, so that a set is never
smaller or larger than its folder looks without a word.
"""

from __future__ import annotations

import posixpath
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Generic, TypeVar

from sdbench.core.errors import encodable

__all__ = [
    "BROKEN_LINK",
    "EARLIER",
    "HARMLESS",
    "HIDDEN",
    "INNER_LINK",
    "SPECIAL",
    "Listing",
    "by_suffix",
    "in_words",
    "sorted_as_paths",
]

HIDDEN = "hidden or system entries"
BROKEN_LINK = "broken links"
INNER_LINK = "links to folders that are read already"
SPECIAL = "entries that are neither files nor folders"
EARLIER = "entries that a later one of the same name replaces"

HARMLESS = frozenset({HIDDEN, ".csv", ".json", ".jsonl", ".md", ".txt", ".yaml", ".yml"})
"""What lies beside images everywhere; the notes of values leave these out."""

_SYSTEM = frozenset(
    {
        "#recycle",
        "#snapshot",
        "$recycle.bin",
        "@eadir",
        "@recycle",
        "@recently-snapshot",
        "__macosx",
        "desktop.ini",
        "ehthumbs.db",
        "icon\r",
        "lost+found",
        "system volume information",
        "thumbs.db",
    }
)
"""What operating systems and network storage leave behind, in lower case; their thumbnails are no images."""

_MOST_STEPS = 40
"""Links to links are followed this far, as by Linux."""

_Handle = TypeVar("_Handle")


@dataclass
class Listing(Generic[_Handle]):
    """Files by name, each with the handle that reads it, and the names passed over by each rule.

    Names are valid Unicode in normal form C with forward slashes: macOS writes form D, and file names of
    Linux are any bytes.
    """

    files: dict[str, _Handle] = field(default_factory=dict)
    passed_over: dict[str, list[str]] = field(default_factory=dict)
    _originals: dict[str, str] = field(default_factory=dict)
    _links: dict[str, str] = field(default_factory=dict)

    def add(self, original: str, handle: _Handle) -> None:
        """Add a file; of several with one name the last counts.

        Raises:
            ValueError: Two names differ only in their Unicode normal form.
        """
        name = _name(original)
        top = hidden_part(name)
        if top is not None:
            self.pass_over(HIDDEN, top)
            return
        if name in self.files:
            if self._originals[name] != original:
                raise ValueError(f"holds two files whose names look the same, {name}: rename one")
            self.pass_over(EARLIER, name, again=True)
        self.files[name] = handle
        self._originals[name] = original

    def pass_over(self, rule: str, original: str, *, again: bool = False) -> None:
        """Pass an entry over by a rule; a name counts once unless it is there `again`."""
        name = _name(original)
        top = hidden_part(name)
        names = self.passed_over.setdefault(rule if top is None else HIDDEN, [])
        if again or (top or name) not in names[-1:]:
            names.append(top or name)

    def link(self, original: str, target: str) -> None:
        """Add a link of an archive to the entry called `target`; `settle` follows it."""
        self._links[original] = posixpath.normpath(target)

    def settle(self) -> None:
        """Follow the links of an archive, once all its entries are added."""
        by_original = {
            posixpath.normpath(original): self.files[name] for name, original in self._originals.items()
        }
        links = {posixpath.normpath(original): target for original, target in self._links.items()}
        folders = {str(parent) for name in by_original for parent in PurePosixPath(name).parents}
        for original, first in self._links.items():
            target = first
            for _ in range(_MOST_STEPS):
                target = links.get(target, target)
            if target in by_original:
                self.add(original, by_original[target])
            else:
                self.pass_over(INNER_LINK if target in folders else BROKEN_LINK, original)


def hidden_part(name: str) -> str | None:
    """The name up to its first part that is hidden or of the system; None if it has none."""
    parts = name.split("/")
    for place, part in enumerate(parts):
        if part.lower() in _SYSTEM or (part.startswith(".") and part not in (".", "..")):
            return "/".join(parts[: place + 1])
    return None


def by_suffix(names: Iterable[str]) -> dict[str, list[str]]:
    """Files by their suffixes, which serve as the rule that passes them over."""
    found: dict[str, list[str]] = {}
    for name in names:
        found.setdefault(PurePosixPath(name).suffix.lower() or "files without a suffix", []).append(name)
    return found


def in_words(passed_over: Mapping[str, list[str]]) -> str:
    """What is passed over, counted, with the first name of each rule; "" for nothing."""
    parts = [
        f"{len(names)} {f'{rule} files' if rule.startswith('.') else rule} (such as {names[0]})"
        for rule, names in sorted(passed_over.items())
    ]
    return ", ".join(parts)


def sorted_as_paths(names: Iterable[str]) -> tuple[str, ...]:
    """Names sorted as paths: a/x comes before a-b/x."""
    return tuple(sorted(names, key=lambda name: name.split("/")))


def _name(original: str) -> str:
    return unicodedata.normalize("NFC", encodable(original))
