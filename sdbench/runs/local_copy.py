"""Local copies of runs in object stores, for code that reads files: plots and pages."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from sdbench.runs.plan_file import read_plan_file
from sdbench.runs.report import write_report
from sdbench.runs.store import READERS, LocalStore, Store

__all__ = ["Draw", "local_view", "write_page"]

Draw = Callable[[Path], Path]
"""Draws the plots and writes the page of the run in a folder; returns the page's path."""

SHOWN = 64
"""Most images of a cell that pages show; fetching a large run whole would take hours."""

REPORT = "report"


@contextmanager
def local_view(store: Store) -> Iterator[Path]:
    """Yield the folder of a local run, or a temporary copy of a remote one.

    The copy leaves out most shards and images. When the block ends, the files in its report folder are
    written to the store.
    """
    if isinstance(store, LocalStore):
        yield store.root
        return
    with TemporaryDirectory(prefix="sdbench-") as name:
        copy = LocalStore(Path(name))
        keys = _shown(store)
        with ThreadPoolExecutor(READERS) as pool:
            for key, data in zip(keys, pool.map(lambda key: store.read(key), keys), strict=True):
                copy.write(key, data, durable=False)
        yield copy.root
        for file in sorted(path for path in (copy.root / REPORT).rglob("*") if path.is_file()):
            store.write(file.relative_to(copy.root).as_posix(), file.read_bytes())


def write_page(store: Store, draw: Draw = write_report) -> str:
    """Draw the plots of a run and write its page; return the page's path or URL."""
    with local_view(store) as folder:
        page = draw(folder)
        return store.where(page.relative_to(folder).as_posix())


def _shown(store: Store) -> list[str]:
    """Return the keys of all tables, and of each cell's first shard (which has prompts) and first images."""
    keys = sorted(store.names(""))
    plan = read_plan_file(store)
    first = [prompt.id for prompt in plan.prompts[:SHOWN]]
    for cell, units in plan.units.items():
        shards, images = store.names(f"shards/{cell}"), store.names(f"images/{cell}")
        keys += [f"shards/{cell}/{unit}.parquet" for unit in units[:1] if f"{unit}.parquet" in shards]
        keys += [f"images/{cell}/{id_}.png" for id_ in first if f"{id_}.png" in images]
    return keys
