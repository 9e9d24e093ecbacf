"""What a run remembers from one invocation to the next: one text for another, as a JSON file under a key."""

from __future__ import annotations

import json
from collections.abc import Mapping

from sdbench.core.errors import StoreError
from sdbench.runs.store import Store

__all__ = ["read_text_map", "write_text_map"]


def read_text_map(store: Store, key: str, remedy: str) -> dict[str, str]:
    """What lies under `key`, or nothing; StoreError, which ends with `remedy`, where it is damaged."""
    if not store.exists(key):
        return {}
    with store.open(key) as stream:
        try:
            return dict(json.load(stream))
        except (ValueError, TypeError):
            raise StoreError(f"{store.where(key)}: damaged; {remedy}") from None


def write_text_map(store: Store, key: str, known: Mapping[str, str]) -> None:
    """Put `known` in the place of what lies under `key`."""
    store.write(key, json.dumps(known, indent=2).encode())
