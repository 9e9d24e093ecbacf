"""Settings after a name: `NAME?key=value&key=value`, with values as in YAML."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl

import yaml

__all__ = ["query_settings"]


def query_settings(query: str) -> dict[str, Any]:
    """Return what follows the question mark as settings; ValueError says what is wrong with it."""
    if not query:
        raise ValueError("nothing follows the question mark")
    pairs = parse_qsl(query, strict_parsing=True, keep_blank_values=True)
    try:
        settings = {key: yaml.safe_load(value) for key, value in pairs}
    except yaml.YAMLError as error:
        raise ValueError(f"{error}") from None
    if len(settings) < len(pairs):
        raise ValueError("a setting is given twice")
    return settings
