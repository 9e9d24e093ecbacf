"""RUN/plan.json: which cells and units the current spec asks for, for commands that load no model."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from sdbench.errors import InputError, StoreError
from sdbench.store import Store

if TYPE_CHECKING:
    from sdbench.plan import Plan

__all__ = ["PlanFile", "read_plan_file", "unit_images", "write_plan_file"]

KEY = "plan.json"


@dataclass(frozen=True)
class PlanFile:
    """Units by cell in plan order, both by the names of their folders and files, and the prompts' ids.

    Each cell has the first prompts, all of them unless a budget stopped it; a unit's name begins with the
    places of its first and last prompt. The images of the first `images_kept` prompts are kept.
    """

    units: Mapping[str, tuple[str, ...]]
    prompts: tuple[str, ...]
    images_kept: int


def write_plan_file(store: Store, plan: Plan, images_kept: int) -> None:
    """Write the plan of a run."""
    units = {cell.folder: tuple(unit.name for unit in plan.units_of(cell)) for cell in plan.cells}
    longest = max((plan.units_of(cell) for cell in plan.cells), key=len)
    prompts = tuple(prompt.id for unit in longest for prompt in unit.chunk.prompts)
    store.write(KEY, (json.dumps(asdict(PlanFile(units, prompts, images_kept))) + "\n").encode())


def read_plan_file(store: Store) -> PlanFile:
    """The plan of a run; InputError where there is none, StoreError where it is damaged."""
    if not store.exists(KEY):
        raise InputError(f"{store.where('')} is not a run: it has no {KEY}; 'sdbench run' writes it")
    data = store.read(KEY)
    try:
        content = json.loads(data)
        units = {cell: tuple(names) for cell, names in content["units"].items()}
        return PlanFile(units, tuple(content["prompts"]), int(content["images_kept"]))
    except (ValueError, TypeError, KeyError, AttributeError):
        raise StoreError(f"{store.where(KEY)}: damaged; 'sdbench run' writes it again") from None


def unit_images(unit: str) -> int:
    """How many images a unit of this name has: "000064-000127_..." has 64. ValueError for other names."""
    first, _, last = unit.partition("_")[0].partition("-")
    return int(last) - int(first) + 1
