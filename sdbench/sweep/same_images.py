"""A net under silent settings: cells that differ in a setting only must not have the same images.

A sampler is no such setting: two names may stand for one method, such as a built-in one and a rewritten one.
"""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict

from sdbench.core.errors import InputError
from sdbench.runs.plan import Cell, Unit
from sdbench.runs.shards import ShardStore
from sdbench.runs.store import READERS

__all__ = ["FirstImages"]


class FirstImages:
    """The first image of each cell, to find cells of one model that have the same one.

    A flagged image, such as a black one, says nothing about a setting: the audit reports it.
    """

    def __init__(self, shards: ShardStore) -> None:
        self._shards = shards
        self._seen: dict[tuple[str, ...], Cell] = {}
        self._known: set[Cell] = set()

    def add(self, units: Iterable[Unit]) -> None:
        """Compare the first images of cells, whose units are stored, with those seen before.

        Raises:
            InputError: Two cells that differ in a setting only have the same first image.
            StoreError: A shard is damaged.
        """
        firsts = [unit for unit in units if unit.chunk.start == 0 and unit.cell not in self._known]
        with ThreadPoolExecutor(READERS) as pool:
            shards = list(pool.map(self._shards.read, firsts))
        for unit, shard in zip(firsts, shards, strict=True):
            cell = unit.cell
            self._known.add(cell)
            if shard.flags[0]:
                continue
            model = (cell.checkpoint, cell.weights_digest, cell.config_digest, cell.settings.sampler)
            key = (*model, unit.chunk.prompts[0].id, shard.sha256[0])
            other = self._seen.setdefault(key, cell)
            if other is not cell:
                raise InputError(_line(other, cell))


def _line(one: Cell, other: Cell) -> str:
    before, after = asdict(one.settings), asdict(other.settings)
    changed = ", ".join(key for key in before if before[key] != after[key])
    return (
        f"cells {one.folder} and {other.folder} differ in {changed}, but their first images have the same "
        f"pixels: {one.checkpoint} ignores it; leave one of the cells out of the spec"
    )
