"""Shards: a Parquet file per unit with a row per image, readable with pandas or DuckDB alone.

Columns: prompt_id, prompt, seed, sha256 (of the uint8 pixels), thumbnail (8x8 RGB, 192 bytes), flags
(comma-joined, empty if the image is fine) and, for ways of guiding other than plain scales, guidance_scales
(the plain scale that each denoiser call amounts to). The file's metadata holds the unit's identity, a digest
of all pixels and how the images were made. Features are stored apart, in `features`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass

import numpy as np
import pyarrow as pa

from sdbench.core.digest import digest_value
from sdbench.core.errors import StoreError, one_line
from sdbench.core.json import load_json
from sdbench.data.prompts import Prompt
from sdbench.runs.parquet import (
    AGAIN,
    DAMAGE,
    IDENTITY,
    as_json,
    fixed_size_lists,
    read_metadata,
    read_whole,
    rows_of_lists,
    write_table,
)
from sdbench.runs.plan import Cell, Chunk, Unit
from sdbench.runs.store import READERS, Store, listing_once

__all__ = ["Made", "Shard", "ShardStore", "shard_key"]

_MADE, _PIXELS = b"sdbench.made", b"sdbench.pixels"
_SCALES = "guidance_scales"
_NAME = re.compile(r"(\d+)-(\d+)_[0-9a-f]+\.parquet")


@dataclass(frozen=True)
class Made:
    """How a shard's images were made; recorded, but not part of its identity."""

    nfe: int | None
    batch_sizes: list[int]  # more than one if memory ran out on the way
    device: str
    versions: str
    decoded_again: int = 0  # images that left float16's range and were decoded again in bfloat16


@dataclass(frozen=True)
class Shard:
    """What is kept of a unit's n images beside their pixels and features, in prompt order.

    Attributes:
        sha256: Digests of the images' pixels.
        thumbnails: uint8 [n, 192].
        flags: What is wrong with each image, comma-joined, "" for nothing.
        made: How the images were made.
        guidance_scales: float32 [n, calls], as in `models.Images`; None if they are not known.
    """

    sha256: Sequence[str]
    thumbnails: np.ndarray
    flags: Sequence[str]
    made: Made
    guidance_scales: np.ndarray | None = None

    @property
    def pixels(self) -> str:
        """One digest of the pixels of all images, which features are stored under."""
        return digest_value(list(self.sha256))


class ShardStore:
    """The shards of a run."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def done(self, units: Iterable[Unit]) -> dict[Unit, str]:
        """Return those of the units whose shards are stored, with the digest of their pixels.

        Lists each cell's folder once and reads the end of each file, many in parallel: stores may be remote.

        Raises:
            StoreError: A shard is damaged, or its file holds another one.
        """
        is_stored = listing_once(self._store)
        there = [unit for unit in units if is_stored(shard_key(unit))]
        with ThreadPoolExecutor(READERS) as pool:
            return dict(zip(there, pool.map(self.pixels, there), strict=True))

    def has(self, unit: Unit) -> bool:
        """Return whether the unit's shard is stored."""
        return self._store.exists(shard_key(unit))

    def pixels(self, unit: Unit) -> str:
        """Return the digest of the pixels of a stored unit; StoreError as `read`."""
        key = shard_key(unit)
        metadata = read_metadata(self._store, key)
        if metadata.get(IDENTITY) != as_json(unit.identity):
            raise StoreError(f"{self._store.where(key)}: is not the file that its name says; {AGAIN}")
        return metadata.get(_PIXELS, b"").decode()

    def ends(self, cell: Cell, prompts: Sequence[Prompt], unit_size: int) -> list[int]:
        """Return where the cell's units end, so that the stored ones of these prompts are among them.

        Stored units of any size are kept; what lies between them is cut after every `unit_size` prompts.
        """
        stored = []
        for name in self._store.names(f"shards/{cell.folder}"):
            match = _NAME.fullmatch(name)
            start, end = (int(match[1]), int(match[2]) + 1) if match else (0, 0)
            if start < end <= len(prompts):
                unit = Unit(cell, Chunk(start, tuple(prompts[start:end])))
                if f"{unit.name}.parquet" == name:
                    stored.append((start, -end))
        ends, covered = [], 0
        for start, minus_end in [*sorted(stored), (len(prompts), -len(prompts))]:
            if start >= covered:
                first = (covered // unit_size + 1) * unit_size
                ends += [*range(first, start, unit_size), *({start} - {covered})]
                covered = -minus_end
                ends += [covered] if covered > start else []
        return ends

    def write(self, unit: Unit, shard: Shard) -> None:
        """Write the unit's shard in one step; from then on its images are recorded."""
        prompts = unit.chunk.prompts
        table = pa.table(
            {
                "prompt_id": pa.array([prompt.id for prompt in prompts]),
                "prompt": pa.array([prompt.text for prompt in prompts]),
                "seed": pa.array([unit.cell.settings.seed] * len(prompts), pa.int64()),
                "sha256": pa.array(shard.sha256, pa.string()),
                "thumbnail": _as_binary(shard.thumbnails),
                "flags": pa.array(shard.flags, pa.string()),
            }
        )
        if shard.guidance_scales is not None:
            table = table.append_column(_SCALES, fixed_size_lists(shard.guidance_scales))
        made = {_MADE: as_json(asdict(shard.made)), _PIXELS: shard.pixels.encode()}
        write_table(self._store, shard_key(unit), table, {IDENTITY: as_json(unit.identity), **made})

    def read(self, unit: Unit) -> Shard:
        """Return the unit's shard; raise StoreError if it is missing, damaged or of another identity."""
        key = shard_key(unit)
        table = read_whole(self._store, key, unit.identity, len(unit.chunk.prompts))
        try:
            return Shard(
                sha256=table["sha256"].to_pylist(),
                thumbnails=_as_rows(table["thumbnail"]),
                flags=table["flags"].to_pylist(),
                made=Made(**load_json(table.schema.metadata[_MADE])),
                guidance_scales=rows_of_lists(table[_SCALES]) if _SCALES in table.column_names else None,
            )
        except DAMAGE as error:
            where = self._store.where(key)
            raise StoreError(f"{where}: damaged ({one_line(error)}); {AGAIN}") from None


def shard_key(unit: Unit) -> str:
    """Return the store key of the unit's shard."""
    return f"shards/{unit.cell.folder}/{unit.name}.parquet"


def _as_binary(rows: np.ndarray) -> pa.Array:
    return pa.array([row.tobytes() for row in rows], pa.binary(rows.shape[1]))


def _as_rows(column: pa.ChunkedArray) -> np.ndarray:
    return np.stack([np.frombuffer(row, np.uint8) for row in column.to_pylist()])
