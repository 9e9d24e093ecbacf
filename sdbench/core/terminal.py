"""What goes to a terminal: text in any encoding, and no control characters from people's names."""

from __future__ import annotations

import io
import re
import sys
from contextvars import ContextVar
from enum import Enum
from typing import TextIO

__all__ = ["VERBOSITY", "Verbosity", "in_terminal", "note", "say", "tolerate_encodings"]


class Verbosity(Enum):
    """How much a command tells while it works."""

    QUIET = "quiet"
    NORMAL = "normal"
    VERBOSE = "verbose"


VERBOSITY: ContextVar[Verbosity] = ContextVar("verbosity", default=Verbosity.NORMAL)
"""That of the command in progress."""

_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")
"""Control characters but tab and line break, and those that turn the direction of writing."""


def in_terminal(text: str) -> str:
    """The text with control characters escaped: a file's name could move the cursor or hide words."""
    return _CONTROL.sub(lambda match: ascii(match[0])[1:-1], text)


def say(text: object, end: str = "\n", file: TextIO | None = None) -> None:
    """Print a text to `file` (default: stdout) at once, safe for a terminal."""
    print(in_terminal(str(text)), end=end, file=file, flush=True)


def note(text: object) -> None:
    """Print a text on stderr, safe for a terminal."""
    say(text, file=sys.stderr)


def tolerate_encodings() -> None:
    """Let stdout and stderr escape what their encoding lacks, instead of ending the work."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
