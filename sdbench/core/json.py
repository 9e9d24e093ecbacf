"""JSON from files that anybody may have written."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

__all__ = ["load_json"]

Pairs = list[tuple[str, Any]]


def load_json(text: str | bytes, mapping: Callable[[Pairs], dict[str, Any]] | None = None) -> Any:
    """Return the value that `text` describes; `mapping` makes the dict of each object.

    Raises:
        ValueError: `text` is not JSON, or is nested too deeply.
    """
    try:
        return json.loads(text, object_pairs_hook=mapping)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
