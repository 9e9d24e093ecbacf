"""RUN/plan.json: the plan of a run, for commands that load no model and look up no name."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any

from sdbench.core.errors import InputError, StoreError
from sdbench.core.json import load_json
from sdbench.data.prompts import Prompt
from sdbench.models.settings import Settings
from sdbench.runs.plan import Cell, Plan, lay_out
from sdbench.runs.store import Store

__all__ = ["PLAN_KEY", "PlanFile", "read_plan_file", "unit_images", "write_plan_file"]

PLAN_KEY = "plan.json"


@dataclass(frozen=True)
class PlanFile:
    """What a plan is laid out from.

    Attributes:
        cells: The cells of the sweep.
        prompts: The prompt set.
        unit_size: Prompts per unit.
        extractors: Identities of the feature extractors by name.
        images_kept: Number of images of each cell that are kept as PNG, from the first on.
        ends: By a cell's folder, where its units end, if not after every `unit_size` prompts.
        stopped: By a cell's folder, the number of prompts after which a budget stopped it.
        columns: By a column of the prompt file that results are grouped by, the value for each prompt.
    """

    cells: Sequence[Cell]
    prompts: Sequence[Prompt]
    unit_size: int
    extractors: Mapping[str, str]
    images_kept: int
    ends: Mapping[str, Sequence[int]] = field(default_factory=dict)
    stopped: Mapping[str, int] = field(default_factory=dict)
    columns: Mapping[str, Sequence[str]] = field(default_factory=dict)

    @cached_property
    def whole(self) -> Plan:
        """The plan of every cell over all prompts."""
        return lay_out(self.cells, self.prompts, self.unit_size, self.ends)

    @cached_property
    def plan(self) -> Plan:
        """The plan that the run follows: the whole one, or the part that a budget asked for."""
        every = len(self.prompts)
        return self.whole.only({cell: self.stopped.get(cell.folder, every) for cell in self.cells})

    @cached_property
    def units(self) -> dict[str, tuple[str, ...]]:
        """Names of the units of `plan`, by their cell's folder."""
        return {cell.folder: tuple(unit.name for unit in self.plan.units_of(cell)) for cell in self.cells}

    @cached_property
    def categories(self) -> dict[str, dict[str, str]]:
        """Each prompt's category by the prompt's id, by column."""
        ids = [prompt.id for prompt in self.prompts]
        return {name: dict(zip(ids, values, strict=True)) for name, values in self.columns.items()}

    @property
    def ids_kept(self) -> list[str]:
        """Ids of the prompts whose images are kept as PNG."""
        return [prompt.id for prompt in self.prompts[: self.images_kept]]


def write_plan_file(store: Store, content: PlanFile) -> None:
    """Write the plan of a run."""
    store.write(PLAN_KEY, (json.dumps(asdict(content)) + "\n").encode())


def read_plan_file(store: Store) -> PlanFile:
    """Return the plan of a run.

    Raises:
        InputError: The run has no plan.
        StoreError: The plan is damaged.
    """
    if not store.exists(PLAN_KEY):
        raise InputError(f"{store.where('')} is not a run: it has no {PLAN_KEY}; 'sdbench run' writes it")
    data = store.read(PLAN_KEY)
    try:
        content = _parsed(load_json(data))
        _ = content.units  # laying out fails for damage in the parts of a cell
        return content
    except (ValueError, TypeError, KeyError, AttributeError):
        raise StoreError(f"{store.where(PLAN_KEY)}: damaged; 'sdbench run' writes it again") from None


def _parsed(content: dict[str, Any]) -> PlanFile:
    cells = [Cell(**{**cell, "settings": Settings(**cell["settings"])}) for cell in content["cells"]]
    prompts = [Prompt(**prompt) for prompt in content["prompts"]]
    return PlanFile(**{**content, "cells": cells, "prompts": prompts})


def unit_images(unit: str) -> int:
    """Return the number of images of the unit with this name: "000064-000127_..." has 64.

    Raises:
        ValueError: It is not the name of a unit.
    """
    first, _, last = unit.partition("_")[0].partition("-")
    return int(last) - int(first) + 1
