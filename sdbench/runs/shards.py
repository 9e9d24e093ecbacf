"""Shards: a Parquet file per unit with a row per image, readable with pandas or DuckDB alone.

Columns: prompt_id, prompt, seed, sha256 (of the uint8 pixels), thumbnail (8x8 RGB, 192 bytes), flags
(comma-joined, empty if the image is fine), and for each extractor features_<name> and, if it reads text,
text_features_<name>, as float32 lists of fixed size. The file's metadata holds the unit's identity and how
its images were made.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from sdbench.core.errors import StoreError, one_line
from sdbench.runs.store import READERS, Store

if TYPE_CHECKING:
    from sdbench.runs.plan import Unit

__all__ = [
    "AGAIN",
    "CHANGED",
    "CONTENT",
    "DAMAGE",
    "IDENTITY",
    "Made",
    "Shard",
    "ShardStore",
    "content_digest",
    "fixed_size_lists",
    "is_as_written",
    "read_table",
    "rows_of_lists",
    "shard_key",
]

IDENTITY = b"sdbench.identity"
"""Key of the identity, as JSON, in a shard's metadata."""

FOOTER = 256 * 1024
"""Bytes at the end of a shard that certainly include its metadata, which takes a few thousand."""
_MADE = b"sdbench.made"
CONTENT = b"sdbench.content"

DAMAGE = (pa.ArrowException, OSError, ValueError, TypeError, KeyError)
"""Exceptions that reading a damaged file can raise."""

AGAIN = "delete it and run again"
"""The remedy for damage: missing files are made again."""

CHANGED = "its values differ from those written"


@dataclass(frozen=True)
class Made:
    """How a shard's images were made; recorded, but not part of its identity."""

    nfe: int | None
    batch_sizes: list[int]  # more than one if memory ran out on the way
    device: str
    versions: str


@dataclass(frozen=True)
class Shard:
    """The result of a unit: its n images with their features, in prompt order.

    Attributes:
        sha256: Digests of the images' pixels.
        thumbnails: uint8 [n, 192].
        flags: What is wrong with each image, comma-joined, "" for nothing.
        features: float32 [n, d] by extractor.
        text_features: Features of the prompts, float32 [n, d], by each extractor that reads text.
        made: How the images were made.
    """

    sha256: Sequence[str]
    thumbnails: np.ndarray
    flags: Sequence[str]
    features: Mapping[str, np.ndarray]
    text_features: Mapping[str, np.ndarray]
    made: Made


class ShardStore:
    """The shards of a run."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def done(self, units: Iterable[Unit]) -> set[str]:
        """Return the keys of the shards that are stored, of those of `units`.

        Lists each cell's folder once and reads the end of each file, many in parallel: stores may be remote.

        Raises:
            StoreError: A shard is damaged, or its file holds another one.
        """
        listed: dict[str, frozenset[str]] = {}
        there = []
        for unit in units:
            folder, _, name = shard_key(unit).rpartition("/")
            if folder not in listed:
                listed[folder] = self._store.names(folder)
            if name in listed[folder]:
                there.append(unit)
        with ThreadPoolExecutor(READERS) as pool:
            list(pool.map(self._check_schema, there))
        return {shard_key(unit) for unit in there}

    def write(self, unit: Unit, shard: Shard) -> None:
        """Write the unit's shard in one step, which makes the unit done."""
        table = _table(unit, shard)
        metadata = {IDENTITY: _json(unit.identity), _MADE: _json(asdict(shard.made))}
        table = table.replace_schema_metadata({**metadata, CONTENT: content_digest(table).encode()})
        sink = io.BytesIO()
        # Features do not repeat, so a dictionary would only store them twice.
        pq.write_table(table, sink, use_dictionary=False)
        self._store.write(shard_key(unit), sink.getvalue())

    def read(self, unit: Unit) -> Shard:
        """Return the unit's shard; raise StoreError if it is missing, damaged or of another identity."""
        data = self._store.read(shard_key(unit))
        try:
            table = _parsed(data)
        except DAMAGE as error:
            raise self._damaged(unit, error) from None
        self._check(unit, table.schema)
        if table.num_rows != len(unit.chunk.prompts):
            raise self._damaged(unit, f"{table.num_rows} rows instead of {len(unit.chunk.prompts)}")
        if not is_as_written(table):
            raise self._damaged(unit, CHANGED)
        try:
            return _shard(unit, table)
        except DAMAGE as error:
            raise self._damaged(unit, error) from None

    def _check_schema(self, unit: Unit) -> None:
        end = self._store.tail(shard_key(unit), FOOTER)
        try:
            schema = pq.read_schema(pa.BufferReader(end))
        except DAMAGE as error:
            raise self._damaged(unit, error) from None
        self._check(unit, schema)

    def _check(self, unit: Unit, schema: pa.Schema) -> None:
        if (schema.metadata or {}).get(IDENTITY) != _json(unit.identity):
            where = self._store.where(shard_key(unit))
            raise StoreError(f"{where}: is not the shard that its name says; {AGAIN}")

    def _damaged(self, unit: Unit, why: object) -> StoreError:
        where = self._store.where(shard_key(unit))
        return StoreError(f"{where}: damaged shard ({one_line(why)}); {AGAIN}")


def shard_key(unit: Unit) -> str:
    """Return the store key of the unit's shard."""
    return f"shards/{unit.cell.folder}/{unit.name}.parquet"


def content_digest(table: pa.Table) -> str:
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


def is_as_written(table: pa.Table) -> bool:
    """Return whether the values are those that the file was written with."""
    written = (table.schema.metadata or {}).get(CONTENT, b"")
    try:
        return written.decode() == content_digest(table)
    except (ValueError, TypeError):  # damage made the values unreadable
        return False


def read_table(store: Store, key: str) -> pa.Table:
    """Return the Parquet file under `key`; raise StoreError if it cannot be read."""
    data = store.read(key)
    try:
        return _parsed(data)
    except DAMAGE as error:
        raise StoreError(f"{store.where(key)}: damaged ({one_line(error)}); {AGAIN}") from None


def _parsed(data: bytes) -> pa.Table:
    """Parse a Parquet file, without pyarrow's threads: files are read in parallel already."""
    return pq.ParquetFile(pa.BufferReader(data)).read(use_threads=False)


def _json(value: object) -> bytes:
    return json.dumps(value, sort_keys=True).encode()


def _table(unit: Unit, shard: Shard) -> pa.Table:
    prompts = unit.chunk.prompts
    columns: dict[str, pa.Array] = {
        "prompt_id": pa.array([prompt.id for prompt in prompts]),
        "prompt": pa.array([prompt.text for prompt in prompts]),
        "seed": pa.array([unit.cell.settings.seed] * len(prompts), pa.int64()),
        "sha256": pa.array(shard.sha256, pa.string()),
        "thumbnail": _thumbnails(shard.thumbnails),
        "flags": pa.array(shard.flags, pa.string()),
    }
    columns |= {f"features_{name}": fixed_size_lists(rows) for name, rows in shard.features.items()}
    columns |= {f"text_features_{name}": fixed_size_lists(rows) for name, rows in shard.text_features.items()}
    return pa.table(columns)


def _thumbnails(rows: np.ndarray) -> pa.Array:
    return pa.array([row.tobytes() for row in rows], pa.binary(rows.shape[1]))


def fixed_size_lists(array: np.ndarray) -> pa.Array:
    """Return an array [n, d] as a column of n float32 lists of size d."""
    flat = pa.array(np.ascontiguousarray(array, dtype=np.float32).reshape(-1))
    return pa.FixedSizeListArray.from_arrays(flat, array.shape[1])


def _shard(unit: Unit, table: pa.Table) -> Shard:
    def arrays(prefix: str) -> dict[str, np.ndarray]:
        names = [name for name, _ in unit.extractors if f"{prefix}{name}" in table.column_names]
        return {name: rows_of_lists(table[f"{prefix}{name}"]) for name in names}

    return Shard(
        sha256=table["sha256"].to_pylist(),
        thumbnails=_rows_of_bytes(table["thumbnail"]),
        flags=table["flags"].to_pylist(),
        features=arrays("features_"),
        text_features=arrays("text_features_"),
        made=Made(**json.loads(table.schema.metadata[_MADE])),
    )


def _rows_of_bytes(column: pa.ChunkedArray) -> np.ndarray:
    return np.stack([np.frombuffer(row, np.uint8) for row in column.to_pylist()])


def rows_of_lists(column: pa.ChunkedArray) -> np.ndarray:
    """Return a column of lists of size d as float32 [n, d]."""
    rows = column.combine_chunks()
    return rows.flatten().to_numpy(zero_copy_only=False).reshape(len(rows), -1)
