"""Settings after a sampler's name: `NAME?key=value&key=value`, with values as in YAML."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl

import yaml

from sdbench.core.errors import InputError, one_line

__all__ = ["split_query"]


def split_query(name: str) -> tuple[str, dict[str, Any]]:
    """Return the name before "?" and the settings after it; InputError if they are not written like that."""
    base, mark, query = name.partition("?")
    try:
        if mark and not query:
            raise ValueError("nothing follows the question mark")
        pairs = parse_qsl(query, strict_parsing=True) if mark else []
        settings = {key: yaml.safe_load(value) for key, value in pairs}
    except (ValueError, yaml.YAMLError) as error:
        raise InputError(
            f"sampler {name!r} is not written CLASS?key=value&key=value: {one_line(error)}"
        ) from None
    if len(settings) < len(pairs):
        raise InputError(f"sampler {name!r} gives a setting twice")
    return base, settings
