"""What lies in a run and is not needed: images and features of cells that its spec no longer asks for."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

from sdbench.errors import StoreError
from sdbench.journal import sessions
from sdbench.plan_file import PlanFile, read_plan_file
from sdbench.store import READERS, Store

__all__ = ["delete", "unneeded"]

QUIET = 900.0
"""Seconds without a word, one a unit, after which a session that never ended is taken for dead."""


def unneeded(store: Store) -> list[str]:
    """The keys of shards and images that the current spec does not need, and of writes that never ended.

    Nothing but shards, images and half-done writes is ever among them.
    """
    plan = read_plan_file(store)
    return [*store.temporaries(), *_cells(store, plan, "shards"), *_cells(store, plan, "images")]


def delete(store: Store, keys: list[str]) -> None:
    """Delete the keys; StoreError where a run is going on, whose half-done writes they may be."""
    for session in sessions(store):  # a later one may have ended before
        if session.ended:
            continue
        silent = (datetime.now(UTC) - datetime.fromisoformat(session.updated)).total_seconds()
        if abs(silent) < QUIET:
            raise StoreError(f"{store.where('')}: a run is going on here; wait for its end or stop it")
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
    return frozenset(f"{id_}.png" for id_ in plan.prompts[: plan.images_kept])
