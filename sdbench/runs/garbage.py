"""What lies in a run and is not needed: images and features of cells that its spec no longer asks for."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

from sdbench.core.errors import StoreError
from sdbench.runs.journal import read_entries
from sdbench.runs.plan_file import PlanFile, read_plan_file
from sdbench.runs.store import READERS, Store

__all__ = ["delete", "unneeded"]

QUIET = timedelta(minutes=5)
"""After so long without a word, though there are two a minute, a session that has not ended is dead."""


def unneeded(store: Store) -> list[str]:
    """The keys of shards and images that the current spec does not need, and of writes that never ended.

    Nothing but shards, images and half-done writes is ever among them.
    """
    plan = read_plan_file(store)
    return [*store.temporaries(), *_cells(store, plan, "shards"), *_cells(store, plan, "images")]


def delete(store: Store, keys: list[str]) -> None:
    """Delete the keys; StoreError where a run is going on, whose half-done writes they may be."""
    for session in read_entries(store):  # a later one may have ended before
        if session.ended:
            continue
        heard = datetime.fromisoformat(session.updated)
        if abs(datetime.now(UTC) - heard) < QUIET:  # a clock elsewhere may be ahead
            raise StoreError(
                f"{store.where('')}: a run is going on here, last heard of at {session.updated}: wait for "
                f"its end or stop it; if it was killed, wait until {(heard + QUIET).isoformat()}"
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
