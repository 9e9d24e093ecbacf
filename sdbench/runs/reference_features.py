"""Features of reference images as Parquet files, in a run or in the user's cache."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from sdbench.core.digest import SHORT, digest_value
from sdbench.core.paths import file_name
from sdbench.runs.parquet import (
    IDENTITY,
    as_json,
    fixed_size_lists,
    read_whole,
    rows_of_lists,
    write_table,
)
from sdbench.runs.store import Store

__all__ = ["read_features", "reference_key", "write_features"]


def reference_key(extractor: str, identity: Mapping[str, Any]) -> str:
    """Return the store key of an extractor's features of a reference set."""
    return f"reference/{file_name(extractor)}_{digest_value(identity)[:SHORT]}.parquet"


def write_features(store: Store, extractor: str, identity: Mapping[str, Any], features: np.ndarray) -> None:
    """Write features float32 [m, d] in one step; `identity` is what determines them, as a JSON value."""
    table = pa.table({f"features_{extractor}": fixed_size_lists(features)})
    write_table(store, reference_key(extractor, identity), table, {IDENTITY: as_json(identity)})


def read_features(store: Store, extractor: str, identity: Mapping[str, Any]) -> np.ndarray | None:
    """Return the features, or None if there are none; StoreError if they are damaged."""
    key = reference_key(extractor, identity)
    if not store.exists(key):
        return None
    return rows_of_lists(read_whole(store, key, identity).column(0))
