"""Features of images and prompts: a Parquet file per unit and extractor, with a row per image.

They are stored under the pixels that they were computed from and the identity of their extractor, apart from
the shards: another metric, or one metric fewer, never makes an image again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from sdbench.core.digest import SHORT, digest_value
from sdbench.core.paths import file_name
from sdbench.runs.parquet import IDENTITY, as_json, fixed_size_lists, read_whole, rows_of_lists, write_table
from sdbench.runs.plan import Unit
from sdbench.runs.store import Store, listing_once

__all__ = ["FeatureStore", "StoredFeatures", "feature_keys"]

FOLDER = "features"


@dataclass(frozen=True)
class StoredFeatures:
    """Features float32 [n, d] of a unit's images, and of their prompts if the extractor reads text."""

    images: np.ndarray
    texts: np.ndarray | None


class FeatureStore:
    """The features of a run by the extractors that its metrics need, whose identities are given by name."""

    def __init__(self, store: Store, extractors: Mapping[str, str]) -> None:
        self._store = store
        self.extractors = extractors

    def complete(self, pixels: Mapping[Unit, str]) -> list[Unit]:
        """Return the units, given with the digests of their pixels, that no extractor lacks.

        Lists the folder of each cell and extractor once.
        """
        is_stored = listing_once(self._store)
        return [unit for unit, digest in pixels.items() if all(map(is_stored, self.keys(unit, digest)))]

    def missing(self, unit: Unit, pixels: str) -> list[str]:
        """Return the extractors whose features of the unit are not stored."""
        return [name for name in self.extractors if not self._store.exists(self._key(unit, pixels, name))]

    def keys(self, unit: Unit, pixels: str) -> Iterable[str]:
        """Return the store keys of the unit's features by all extractors."""
        return [self._key(unit, pixels, name) for name in self.extractors]

    def write(self, unit: Unit, pixels: str, extractor: str, features: StoredFeatures) -> None:
        """Write the features of a unit in one step."""
        prompts = unit.chunk.prompts
        columns = {
            "prompt_id": pa.array([prompt.id for prompt in prompts]),
            "features": fixed_size_lists(features.images),
        }
        if features.texts is not None:
            columns["text_features"] = fixed_size_lists(features.texts)
        metadata = {IDENTITY: as_json(self._identity(unit, pixels, extractor))}
        write_table(self._store, self._key(unit, pixels, extractor), pa.table(columns), metadata)

    def read(self, unit: Unit, pixels: str, extractor: str) -> StoredFeatures:
        """Return the features of a unit; raise StoreError if they are missing or damaged."""
        key, identity = self._key(unit, pixels, extractor), self._identity(unit, pixels, extractor)
        table = read_whole(self._store, key, identity, len(unit.chunk.prompts))
        texts = rows_of_lists(table["text_features"]) if "text_features" in table.column_names else None
        return StoredFeatures(rows_of_lists(table["features"]), texts)

    def _identity(self, unit: Unit, pixels: str, extractor: str) -> dict[str, object]:
        return {"unit": unit.identity, "pixels": pixels, "extractor": self.extractors[extractor]}

    def _key(self, unit: Unit, pixels: str, extractor: str) -> str:
        digest = digest_value([pixels, self.extractors[extractor]])[:SHORT]
        return f"{FOLDER}/{file_name(extractor)}/{unit.cell.folder}/{unit.name}_{digest}.parquet"


def feature_keys(store: Store) -> list[str]:
    """Return the keys of all features that a run holds, sorted."""
    return [
        f"{FOLDER}/{extractor}/{cell}/{name}"
        for extractor in sorted(store.folders(FOLDER))
        for cell in sorted(store.folders(f"{FOLDER}/{extractor}"))
        for name in sorted(store.names(f"{FOLDER}/{extractor}/{cell}"))
    ]
