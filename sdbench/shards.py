"""Shards: one Parquet file per unit, a row per image, readable with pandas or DuckDB alone.

Columns: prompt_id, prompt, seed, sha256 (of the uint8 pixels), thumbnail (8x8 RGB, 192 bytes), clip_score
(null without a CLIP extractor), flags (comma-joined, empty when fine), and for each extractor features_<name>
and, where it reads text, text_features_<name> as float32 lists of fixed size. The file's metadata holds the
unit's identity and how it was made.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from sdbench.errors import StoreError, one_line
from sdbench.plan import Unit
from sdbench.store import LocalStore

__all__ = ["Made", "Shard", "ShardStore", "fixed_size_lists", "rows_of_lists"]

_IDENTITY = b"sdbench.identity"
_MADE = b"sdbench.made"


@dataclass(frozen=True)
class Made:
    """Under which circumstances a shard's images were made; recorded, not part of its identity."""

    nfe: int | None
    batch_size: int
    device: str
    versions: str


@dataclass(frozen=True)
class Shard:
    """What a unit leaves behind: n images with their features, in prompt order.

    `features` and `text_features` map an extractor's name to float32 [n, d]; the other sequences have n
    entries. `clip_scores` is None without a CLIP extractor. `thumbnails` is uint8 [n, 192], and None in
    a shard from before there were any.
    """

    sha256: Sequence[str]
    thumbnails: np.ndarray | None
    flags: Sequence[str]
    clip_scores: np.ndarray | None
    features: Mapping[str, np.ndarray]
    text_features: Mapping[str, np.ndarray]
    made: Made


class ShardStore:
    """The shards of a run."""

    def __init__(self, store: LocalStore) -> None:
        self._store = store

    def done(self, unit: Unit) -> bool:
        """Whether the unit's shard is there; StoreError where a damaged or foreign file takes its place."""
        if not self._store.exists(_key(unit)):
            return False
        self._check(unit, self._schema(unit))
        return True

    def write(self, unit: Unit, shard: Shard) -> None:
        """Write the unit's shard in one step; from then on the unit is done."""
        metadata = {_IDENTITY: _json(unit.identity), _MADE: _json(asdict(shard.made))}
        table = _table(unit, shard).replace_schema_metadata(metadata)
        sink = io.BytesIO()
        pq.write_table(table, sink)
        self._store.write(_key(unit), sink.getvalue())

    def read(self, unit: Unit) -> Shard:
        """The unit's shard; StoreError where it is missing, damaged or of another identity."""
        with self._store.open(_key(unit)) as stream:
            try:
                table = pq.read_table(stream)
            except (pa.ArrowInvalid, OSError) as error:
                raise self._damaged(unit, error) from None
        self._check(unit, table.schema)
        if table.num_rows != len(unit.chunk.prompts):
            raise self._damaged(unit, f"{table.num_rows} rows instead of {len(unit.chunk.prompts)}")
        return _shard(unit, table)

    def _schema(self, unit: Unit) -> pa.Schema:
        with self._store.open(_key(unit)) as stream:
            try:
                return pq.read_schema(stream)
            except (pa.ArrowInvalid, OSError) as error:
                raise self._damaged(unit, error) from None

    def _check(self, unit: Unit, schema: pa.Schema) -> None:
        if (schema.metadata or {}).get(_IDENTITY) != _json(unit.identity):
            path = self._store.path(_key(unit))
            raise StoreError(f"{path}: is not the shard of its name; delete it and run again")

    def _damaged(self, unit: Unit, why: object) -> StoreError:
        path = self._store.path(_key(unit))
        return StoreError(f"{path}: damaged shard ({one_line(why)}); delete it and run again")


def _key(unit: Unit) -> str:
    return f"shards/{unit.cell.folder}/{unit.name}.parquet"


def _json(value: object) -> bytes:
    return json.dumps(value, sort_keys=True).encode()


def _table(unit: Unit, shard: Shard) -> pa.Table:
    prompts = unit.chunk.prompts
    columns: dict[str, pa.Array] = {
        "prompt_id": pa.array([prompt.id for prompt in prompts]),
        "prompt": pa.array([prompt.text for prompt in prompts]),
        "seed": pa.array([unit.cell.seed] * len(prompts), pa.int64()),
        "sha256": pa.array(shard.sha256, pa.string()),
        **_thumbnails(shard),
        "clip_score": _scores(shard.clip_scores, len(prompts)),
        "flags": pa.array(shard.flags, pa.string()),
    }
    columns |= {f"features_{name}": fixed_size_lists(rows) for name, rows in shard.features.items()}
    columns |= {f"text_features_{name}": fixed_size_lists(rows) for name, rows in shard.text_features.items()}
    return pa.table(columns)


def _thumbnails(shard: Shard) -> dict[str, pa.Array]:
    if shard.thumbnails is None:
        return {}
    rows = [row.tobytes() for row in shard.thumbnails]
    return {"thumbnail": pa.array(rows, pa.binary(shard.thumbnails.shape[1]))}


def _scores(scores: np.ndarray | None, count: int) -> pa.Array:
    return pa.nulls(count, pa.float64()) if scores is None else pa.array(scores, pa.float64())


def fixed_size_lists(array: np.ndarray) -> pa.Array:
    flat = pa.array(np.ascontiguousarray(array, dtype=np.float32).reshape(-1))
    return pa.FixedSizeListArray.from_arrays(flat, array.shape[1])


def _shard(unit: Unit, table: pa.Table) -> Shard:
    def arrays(prefix: str) -> dict[str, np.ndarray]:
        names = [name for name, _ in unit.extractors if f"{prefix}{name}" in table.column_names]
        return {name: rows_of_lists(table[f"{prefix}{name}"]) for name in names}

    scores = table["clip_score"]
    return Shard(
        sha256=table["sha256"].to_pylist(),
        thumbnails=_rows_of_bytes(table["thumbnail"]) if "thumbnail" in table.column_names else None,
        flags=table["flags"].to_pylist(),
        clip_scores=None if scores.null_count else scores.to_numpy(),
        features=arrays("features_"),
        text_features=arrays("text_features_"),
        made=Made(**json.loads(table.schema.metadata[_MADE])),
    )


def _rows_of_bytes(column: pa.ChunkedArray) -> np.ndarray:
    return np.stack([np.frombuffer(row, np.uint8) for row in column.to_pylist()])


def rows_of_lists(column: pa.ChunkedArray) -> np.ndarray:
    """A column of lists of size d as float32 [n, d]."""
    rows = column.combine_chunks()
    return rows.flatten().to_numpy(zero_copy_only=False).reshape(len(rows), -1)
