"""Warnings that diffusers and transformers write to their logs: kept, each kind once, for the run to show."""

from __future__ import annotations

import logging

from sdbench.core.errors import one_line

__all__ = ["listen", "taken"]

_LONGEST = 300
_EXPECTED = ("safety checker", "low cpu memory usage", "kept in float32: []")
"""Words of warnings about what sdbench does on purpose, and of one about nothing."""


class _Once(logging.Handler):
    """Keeps the first message of each line of code that warns; later ones differ only in their values."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.kept: list[str] = []
        self._places: set[tuple[str, int]] = set()

    def emit(self, record: logging.LogRecord) -> None:
        """Keep the message if its line of code has not warned before."""
        place, message = (record.pathname, record.lineno), one_line(record.getMessage())
        if place not in self._places and not any(word in message for word in _EXPECTED):
            self._places.add(place)
            self.kept.append(f"{record.name.split('.')[0]}: {message[:_LONGEST]}")


_HANDLER = _Once()


def listen() -> None:
    """Keep the libraries' warnings from now on, instead of letting each print its own."""
    from diffusers.utils import logging as of_diffusers
    from transformers.utils import logging as of_transformers

    for name, library in (("diffusers", of_diffusers), ("transformers", of_transformers)):
        library.disable_progress_bar()
        library.disable_default_handler()
        logger = logging.getLogger(name)
        if _HANDLER not in logger.handlers:
            logger.addHandler(_HANDLER)


def taken() -> tuple[str, ...]:
    """Return the warnings since the last call."""
    kept, _HANDLER.kept = _HANDLER.kept, []
    return tuple(kept)
