"""Checks a run: reads all its files again and reports those that are not as they were written."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from sdbench.core.digest import SHORT, digest_pixels, digest_value
from sdbench.core.errors import StoreError
from sdbench.core.json import load_json
from sdbench.runs.features import feature_keys
from sdbench.runs.images import png_pixels
from sdbench.runs.parquet import AGAIN, CHANGED, IDENTITY, is_as_written, read_table
from sdbench.runs.plan_file import PlanFile, read_plan_file, unit_images
from sdbench.runs.store import READERS, Store

__all__ = ["Findings", "verify"]


@dataclass
class Findings:
    """Number of shards and images that were read, and a line for each thing that is wrong."""

    shards: int = 0
    images: int = 0
    damage: list[str] = field(default_factory=list)


def verify(store: Store, read: Callable[[int, int], None]) -> Findings:
    """Check all shards and images of the run; `read` is called with the number of cells done and the total.

    A shard must be what its name says (cell, prompts, number of images); an image must hold the pixels whose
    digest is in its shard; features must be as they were written; and no unfinished write
    may be left.
    """
    plan = read_plan_file(store)
    findings = Findings()
    cells = sorted(store.folders("shards") | store.folders("images"))
    with ThreadPoolExecutor(READERS) as pool:
        for done, cell in enumerate(cells, start=1):
            digests = _shards(store, plan, cell, pool, findings)
            _images(store, cell, digests, pool, findings)
            read(done, len(cells))
        keys = [f"reference/{name}" for name in sorted(store.names("reference"))]
        keys += feature_keys(store)
        findings.damage += filter(None, pool.map(lambda key: _features(store, key), keys))
    for key in store.temporaries():
        findings.damage.append(f"{store.where(key)}: an unfinished write; 'sdbench gc' removes it")
    return findings


@dataclass
class _Digests:
    """What a cell's shards say of its images.

    Attributes:
        of: Digests of the pixels by prompt id; more than one if shards of different batch sizes are stored.
        kept: Ids of the images that the current spec keeps.
    """

    of: dict[str, set[str]] = field(default_factory=dict)
    kept: set[str] = field(default_factory=set)


def _shards(
    store: Store, plan: PlanFile, cell: str, pool: ThreadPoolExecutor, findings: Findings
) -> _Digests:
    names = sorted(store.names(f"shards/{cell}"))
    planned, kept = set(plan.units.get(cell, ())), set(plan.ids_kept)
    digests = _Digests()
    for name, found in zip(names, pool.map(lambda name: _shard(store, cell, name), names), strict=True):
        if isinstance(found, str):
            findings.damage.append(found)
            continue
        findings.shards += 1
        ids = found["prompt_id"].to_pylist()
        for id_, sha256 in zip(ids, found["sha256"].to_pylist(), strict=True):
            digests.of.setdefault(id_, set()).add(sha256)
        if name.removesuffix(".parquet") in planned:
            digests.kept |= kept.intersection(ids)
    return digests


def _shard(store: Store, cell: str, name: str) -> pa.Table | str:
    """Return the shard's ids and digests, or what is wrong with it."""
    key = f"shards/{cell}/{name}"
    try:
        table = read_table(store, key)
    except StoreError as error:
        return str(error)
    wrong = _what_is_wrong(table, cell, name)
    return f"{store.where(key)}: {wrong}; {AGAIN}" if wrong else table.select(["prompt_id", "sha256"])


def _features(store: Store, key: str) -> str:
    """Return what is wrong with a file of features, "" for nothing."""
    try:
        table = read_table(store, key)
    except StoreError as error:
        return str(error)
    return "" if is_as_written(table) else f"{store.where(key)}: {CHANGED}; {AGAIN}"


def _what_is_wrong(table: pa.Table, cell: str, name: str) -> str:
    """Return the first thing that is wrong with a shard, "" for nothing."""
    try:
        identity: dict[str, Any] = load_json((table.schema.metadata or {})[IDENTITY])
        stated = _digests(identity)
        expected = unit_images(name)
    except (KeyError, ValueError, TypeError):
        return "is not a shard"
    in_names = {"cell": cell.rpartition("_")[2], "unit": name.removesuffix(".parquet").rpartition("_")[2]}
    if stated != in_names:
        return "is not the shard that its name says"
    if table.num_rows != expected:
        return f"{table.num_rows} rows instead of {expected}"
    if not is_as_written(table):
        return CHANGED
    rows = zip(table["prompt_id"].to_pylist(), table["prompt"].to_pylist(), strict=True)
    if digest_value([list(row) for row in rows]) != identity["prompts"]:
        return "its prompts differ from those of its identity"
    return ""


def _digests(identity: Mapping[str, Any]) -> dict[str, str]:
    return {"cell": digest_value(identity["cell"])[:SHORT], "unit": digest_value(identity)[:SHORT]}


def _images(store: Store, cell: str, digests: _Digests, pool: ThreadPoolExecutor, findings: Findings) -> None:
    def look(id_: str) -> str:
        key = f"images/{cell}/{id_}.png"
        try:
            wrong = _image_differs(store.read(key), digests.of.get(id_))
        except StoreError as error:
            return str(error)
        return f"{store.where(key)}: {wrong}; {AGAIN}" if wrong else ""

    names = store.names(f"images/{cell}")
    there = {name.removesuffix(".png") for name in names if name.endswith(".png")}
    findings.images += len(there)
    findings.damage += filter(None, pool.map(look, sorted(there)))
    strange = sorted(name for name in names if not name.endswith(".png"))
    findings.damage += [
        f"{store.where(f'images/{cell}/{name}')}: not an image of this run; 'sdbench gc' removes it"
        for name in strange
    ]
    lost = sorted(digests.kept - there)
    findings.damage += [f"{store.where(f'images/{cell}/{id_}.png')}: missing; run again" for id_ in lost]


def _image_differs(data: bytes, digests: set[str] | None) -> str:
    """Return what is wrong with a PNG, "" for nothing; `digests` is None if its shard is missing."""
    try:
        pixels = png_pixels(data)
    except ValueError as error:
        return str(error)
    if digests is None or digest_pixels(pixels) in digests:
        return ""
    return "its pixels differ from those of its shard"
