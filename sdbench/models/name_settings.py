"""Names of samplers and ways of guiding with their settings: `NAME?key=value&key=value`."""

from __future__ import annotations

from typing import Any

from sdbench.core.errors import InputError, one_line
from sdbench.core.query import query_settings

__all__ = ["split_settings"]


def split_settings(name: str, what: str = "sampler") -> tuple[str, dict[str, Any]]:
    """Return the name before "?" and the settings after it; InputError if they are not written like that."""
    base, mark, query = name.partition("?")
    try:
        return base, query_settings(query) if mark else {}
    except ValueError as error:
        raise InputError(
            f"{what} {name!r} is not written CLASS?key=value&key=value: {one_line(error)}"
        ) from None
