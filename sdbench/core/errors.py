"""Every error that the harness raises on purpose.

    SdbenchError            exit code 1: the command cannot continue
    +-- InputError          exit code 2: an input is wrong or missing
    |   +-- SpecError       an experiment spec; names the file, the key and the allowed values
    +-- StoreError          a run folder: a damaged or foreign shard, a file that cannot be written
    +-- SamplingError       a model cannot make the images, or its images cannot be measured
    +-- ChangedError        a check found something worse than its policy allows
    +-- UndecidedError      exit code 2: a check has too few prompts to tell

Each message is one line: what is wrong, where, and what to do about it. A SpecError has a line for each
problem of the spec.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from difflib import get_close_matches

__all__ = [
    "ChangedError",
    "InputError",
    "SamplingError",
    "SdbenchError",
    "SpecError",
    "StoreError",
    "UndecidedError",
    "did_you_mean",
    "encodable",
    "nearest",
    "one_line",
]


class SdbenchError(Exception):
    """Base of all errors that end a command with a one-line message instead of a traceback."""

    exit_code = 1


class InputError(SdbenchError):
    """An input of the user is wrong or missing."""

    exit_code = 2


class SpecError(InputError):
    """An experiment spec cannot be read or is not valid; its text has a line for each problem."""


class StoreError(SdbenchError):
    """A run folder cannot be read or written, or holds a file that does not belong in it."""


class SamplingError(SdbenchError):
    """A model cannot make the requested images, or its images cannot be measured."""


class ChangedError(SdbenchError):
    """A check found something worse than its policy allows."""


class UndecidedError(SdbenchError):
    """A check found a difference, and there are too few prompts to tell whether it matters."""

    exit_code = 2


def one_line(message: object) -> str:
    """Return `message` as one line: every run of white space becomes a space."""
    return " ".join(str(message).split())


_HALF = re.compile("[\ud800-\udfff]")


def encodable(text: str) -> str:
    """The text with surrogates, which UTF-8 cannot encode, escaped: as \\xe9 or \\ud83d.

    Python reads the bytes of file names that are not UTF-8 as surrogates; tables and logs cannot hold them.
    """

    def escaped(match: re.Match[str]) -> str:
        code = ord(match[0])
        return f"\\x{code - 0xDC00:02x}" if 0xDC80 <= code <= 0xDCFF else f"\\u{code:04x}"

    return _HALF.sub(escaped, text)


_LONGEST = 80


def did_you_mean(word: str, known: Iterable[str], listing: str = "") -> str:
    """Return the end of an error message: the known word closest to `word`, and all known words.

    Args:
        word: What was given.
        known: What would be right.
        listing: A command that lists the known words, named in their place because they are many.
    """
    # Known words may be the column names of a file that is no table at all: of any length, on many lines.
    names = [name if len(name) <= _LONGEST else f"{name[:_LONGEST]}…" for name in map(one_line, known)]
    close = nearest(word, names)
    hint = f"did you mean {close!r}? " if close else ""
    return f"{hint}{listing!r} lists all" if listing else f"{hint}known: {', '.join(names) or 'none'}"


def nearest(word: str, known: Iterable[str]) -> str | None:
    """Return the known word that `word` was probably meant to be: similar, or with `word` in it."""
    names = list(known)
    similar = get_close_matches(word, names, n=1, cutoff=0.5)
    longer = [name for name in names if len(word) > 2 and word.lower() in name]
    return next(iter([*similar, *longer]), None)
