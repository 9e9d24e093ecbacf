"""Maps from text to text that a run keeps from one invocation to the next, each a JSON file under a key."""

from __future__ import annotations

import json
from collections.abc import Mapping

from sdbench.core.errors import StoreError
from sdbench.core.json import load_json
from sdbench.runs.store import Store

__all__ = ["read_text_map", "write_text_map"]


def read_text_map(store: Store, key: str, remedy: str) -> dict[str, str]:
    """Return the map stored under `key`; empty if nothing is stored.

    Raises:
        StoreError: The file is damaged; the message ends with `remedy`.
    """
    if not store.exists(key):
        return {}
    data = store.read(key)
    try:
        return dict(load_json(data))
    except (ValueError, TypeError):
        raise StoreError(f"{store.where(key)}: damaged; {remedy}") from None


def write_text_map(store: Store, key: str, known: Mapping[str, str]) -> None:
    """Write `known` under `key`, replacing what was stored there."""
    store.write(key, json.dumps(known, indent=2).encode())
