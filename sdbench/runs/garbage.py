"""Files that a run no longer needs: images, shards and features that its current spec does not ask for."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

from sdbench.core.errors import StoreError
from sdbench.runs.features import FeatureStore, feature_keys
from sdbench.runs.journal import read_entries
from sdbench.runs.plan_file import PlanFile, read_plan_file
from sdbench.runs.shards import ShardStore
from sdbench.runs.store import READERS, Store

__all__ = ["delete", "unneeded"]

QUIET = timedelta(minutes=5)
"""A session that has not updated its journal for this long is dead; a live one does so twice a minute."""


def unneeded(store: Store) -> list[str]:
    """Return the keys of what the current spec does not need, and of unfinished writes.

    That is shards, images and features; no other kind of file is ever listed.
    """
    plan = read_plan_file(store)
    cells = [*_cells(store, plan, "shards"), *_cells(store, plan, "images")]
    needed = _features(store, plan)
    return [*store.temporaries(), *cells, *(key for key in feature_keys(store) if key not in needed)]


def _features(store: Store, plan: PlanFile) -> set[str]:
    """Return the keys of the features that the plan needs of the units whose shards are stored."""
    features = FeatureStore(store, plan.extractors)
    pixels = ShardStore(store).done(plan.plan.units)
    return {key for unit, digest in pixels.items() for key in features.keys(unit, digest)}


def delete(store: Store, keys: list[str]) -> None:
    """Delete the keys.

    Raises:
        StoreError: A run is in progress, and the unfinished writes may be its own.
    """
    for session in read_entries(store):  # all of them: a later session may have ended first
        if session.ended:
            continue
        active = datetime.fromisoformat(session.updated)
        if abs(datetime.now(UTC) - active) < QUIET:  # another machine's clock may be ahead
            raise StoreError(
                f"{store.where('')}: a run is in progress here, last active at {session.updated}: wait for "
                f"it to end or stop it; if it was killed, wait until {(active + QUIET).isoformat()}"
            )
    with ThreadPoolExecutor(READERS) as pool:
        list(pool.map(store.delete, keys))


def _cells(store: Store, plan: PlanFile, kind: str) -> Iterator[str]:
    for cell in sorted(store.folders(kind)):
        needed = _needed(plan, cell, kind)
        yield from (
            f"{kind}/{cell}/{name}" for name in sorted(store.names(f"{kind}/{cell}")) if name not in needed
        )


def _needed(plan: PlanFile, cell: str, kind: str) -> frozenset[str]:
    if cell not in plan.units:
        return frozenset()
    if kind == "shards":
        return frozenset(f"{unit}.parquet" for unit in plan.units[cell])
    return frozenset(f"{id_}.png" for id_ in plan.ids_kept)
