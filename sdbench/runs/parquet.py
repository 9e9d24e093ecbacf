"""Parquet files of a run: written whole with a digest of their values, and checked against it when read."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Mapping

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from sdbench.core.errors import StoreError, one_line
from sdbench.runs.store import Store

__all__ = [
    "AGAIN",
    "CHANGED",
    "DAMAGE",
    "IDENTITY",
    "as_json",
    "fixed_size_lists",
    "is_as_written",
    "read_metadata",
    "read_table",
    "read_whole",
    "rows_of_lists",
    "sealed",
    "write_table",
]

IDENTITY = b"sdbench.identity"
"""Key of what determines the values, as JSON, in a file's metadata."""

FOOTER = 256 * 1024
"""Bytes at the end of a file that certainly include its metadata, which takes a few thousand."""
_CONTENT = b"sdbench.content"

DAMAGE = (pa.ArrowException, OSError, ValueError, TypeError, KeyError)
"""Exceptions that reading a damaged file can raise."""

AGAIN = "delete it and run again"
"""The remedy for damage: missing files are made again."""

CHANGED = "its values differ from those written"


def write_table(store: Store, key: str, table: pa.Table, metadata: Mapping[bytes, bytes]) -> None:
    """Write a table in one step, with metadata and a digest of its values."""
    sink = io.BytesIO()
    # Features do not repeat, so a dictionary would only store them twice.
    pq.write_table(sealed(table.replace_schema_metadata(dict(metadata))), sink, use_dictionary=False)
    store.write(key, sink.getvalue())


def sealed(table: pa.Table) -> pa.Table:
    """Return the table with the digest of its values in its metadata."""
    return table.replace_schema_metadata(
        {**(table.schema.metadata or {}), _CONTENT: _content_digest(table).encode()}
    )


def read_table(store: Store, key: str) -> pa.Table:
    """Return the Parquet file under `key`; raise StoreError if it cannot be read."""
    data = store.read(key)
    try:
        # Without pyarrow's threads: files are read in parallel already.
        return pq.ParquetFile(pa.BufferReader(data)).read(use_threads=False)
    except DAMAGE as error:
        raise StoreError(f"{store.where(key)}: damaged ({one_line(error)}); {AGAIN}") from None


def read_metadata(store: Store, key: str) -> dict[bytes, bytes]:
    """Return the metadata of the file under `key`, of which the end alone is read; StoreError if damaged."""
    end = store.tail(key, FOOTER)
    try:
        return dict(pq.read_schema(pa.BufferReader(end)).metadata or {})
    except DAMAGE as error:
        raise StoreError(f"{store.where(key)}: damaged ({one_line(error)}); {AGAIN}") from None


def read_whole(store: Store, key: str, identity: object, rows: int | None = None) -> pa.Table:
    """Return the table under `key`; StoreError if it is damaged, changed, or not of `identity` and `rows`."""
    table = read_table(store, key)
    if (table.schema.metadata or {}).get(IDENTITY) != as_json(identity):
        raise StoreError(f"{store.where(key)}: is not the file that its name says; {AGAIN}")
    if rows is not None and table.num_rows != rows:
        raise StoreError(f"{store.where(key)}: damaged ({table.num_rows} rows instead of {rows}); {AGAIN}")
    if not is_as_written(table):
        raise StoreError(f"{store.where(key)}: damaged ({CHANGED}); {AGAIN}")
    return table


def is_as_written(table: pa.Table) -> bool:
    """Return whether the values are those that the file was written with."""
    written = (table.schema.metadata or {}).get(_CONTENT, b"")
    try:
        return written.decode() == _content_digest(table)
    except (ValueError, TypeError):  # damage made the values unreadable
        return False


def as_json(value: object) -> bytes:
    """Return a JSON value as bytes that are equal for equal values."""
    return json.dumps(value, sort_keys=True).encode()


def _content_digest(table: pa.Table) -> str:
    """Return the sha256 of the names and values of all columns, independent of the file's encoding."""
    digest = hashlib.sha256()
    for name in table.column_names:
        column = table[name]
        digest.update(name.encode())
        if pa.types.is_fixed_size_list(column.type):
            digest.update(rows_of_lists(column).tobytes())
        elif pa.types.is_fixed_size_binary(column.type):
            digest.update(b"".join(column.to_pylist()))
        else:
            digest.update(json.dumps(column.to_pylist()).encode())
    return digest.hexdigest()


def fixed_size_lists(array: np.ndarray) -> pa.Array:
    """Return an array [n, d] as a column of n float32 lists of size d."""
    flat = pa.array(np.ascontiguousarray(array, dtype=np.float32).reshape(-1))
    return pa.FixedSizeListArray.from_arrays(flat, array.shape[1])


def rows_of_lists(column: pa.ChunkedArray) -> np.ndarray:
    """Return a column of lists of size d as float32 [n, d]."""
    rows = column.combine_chunks()
    return rows.flatten().to_numpy(zero_copy_only=False).reshape(len(rows), -1)
