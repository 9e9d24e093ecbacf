"""A plan: the cells of a sweep, divided into units of work. Data only; `sweep.planning` makes it.

Cells and units are identified by content. A cell's identity holds the weights, settings and noise that
determine its images; a unit's adds the prompts and the feature extractors. Names of folders and files carry a
short digest of the identity, so work done under other conditions has other names and is never reused by
mistake.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from itertools import pairwise
from types import MappingProxyType
from typing import Any

from sdbench.core.digest import SHORT, digest_value
from sdbench.data.prompts import Prompt
from sdbench.models.settings import Settings
from sdbench.runs.labels import curve_label, guided_label
from sdbench.spec.guidance import PLAIN

__all__ = ["Cell", "Chunk", "Plan", "Unit", "lay_out"]

IMAGES_VERSION = 1
"""Increased by every change to the code that changes images, so that older shards are not reused."""


@dataclass(frozen=True)
class Cell:
    """One point of the sweep: a checkpoint and the settings that it makes images with.

    Attributes:
        checkpoint: Its name in the spec.
        settings: What the model is asked to do.
        weights_digest: Identifies the weights that the name stands for.
        config_digest: Identifies the model's configuration.
        sampler_source: The sha256 of the files that define a third-party sampler; None for others.
        guidance_source: The sha256 of the file that defines a way of guiding of others, or of the weak model
            that guides; None for other ways.
        guided_by: What the guidance scale is to the model; "" if that is not known. Not part of the identity.
    """

    checkpoint: str
    settings: Settings
    weights_digest: str
    config_digest: str
    sampler_source: str | None = None
    guided_by: str = ""
    guidance_source: str | None = None

    @property
    def identity(self) -> dict[str, Any]:
        """What determines the image of a prompt, as a JSON value. The checkpoint's name is not part of it."""
        return {
            "images_version": IMAGES_VERSION,
            "weights": self.weights_digest,
            "config": self.config_digest,
            "sampler_source": self.sampler_source,
            "guidance_source": self.guidance_source,
            **asdict(self.settings),
        }

    @cached_property
    def folder(self) -> str:
        """The cell's id in all tables, and the name of its folders: shapes-v1-4_plms50_s7.5_<digest>."""
        asked = self.settings
        eta = f"_eta{asked.eta:g}" if asked.eta else ""
        sampler = re.sub(r"[^\w.+-]", ".", asked.sampler, flags=re.ASCII)
        path = f"{sampler}{asked.steps}{eta}"
        digest = digest_value(self.identity)[:SHORT]
        way = re.sub(r"[^\w.+-]", ".", asked.guidance.partition("?")[0], flags=re.ASCII)
        by = "" if way == PLAIN else f"_{way}"
        return f"{self.checkpoint}_{path}{by}_s{asked.guidance_scale:g}_{digest}"


@dataclass(frozen=True)
class Chunk:
    """Consecutive prompts; `start` is the index of the first one in the prompt set."""

    start: int
    prompts: tuple[Prompt, ...]

    @property
    def end(self) -> int:
        """Index after the last prompt."""
        return self.start + len(self.prompts)

    @cached_property
    def digest(self) -> str:
        """The sha256 of the prompts' ids and texts, which a shard holds."""
        return digest_value([[prompt.id, prompt.text] for prompt in self.prompts])

    @cached_property
    def negatives_digest(self) -> str:
        """The sha256 of the prompts' own negative prompts, which a shard does not hold."""
        return digest_value([prompt.negative for prompt in self.prompts])


@dataclass(frozen=True)
class Unit:
    """A cell times a chunk of prompts: what a worker makes at one go and stores as one shard."""

    cell: Cell
    chunk: Chunk

    @property
    def identity(self) -> dict[str, Any]:
        """What determines the images of the unit: the cell and the prompts."""
        return {
            "cell": self.cell.identity,
            "prompts": self.chunk.digest,
            "negatives": self.chunk.negatives_digest,
        }

    @cached_property
    def name(self) -> str:
        """The shard's file name without its suffix, such as 000000-000063_<digest>."""
        return f"{self.chunk.start:06d}-{self.chunk.end - 1:06d}_{digest_value(self.identity)[:SHORT]}"


@dataclass(frozen=True)
class Plan:
    """The cells in the order of the results, and the units in the order of work."""

    cells: tuple[Cell, ...]
    units: tuple[Unit, ...]

    @property
    def images(self) -> int:
        """Number of images that all units make."""
        return sum(len(unit.chunk.prompts) for unit in self.units)

    @cached_property
    def curves(self) -> dict[Cell, str]:
        """The label of the curve that each cell lies on."""
        return self.curves_of({cell.checkpoint: cell.checkpoint for cell in self.cells})

    def curves_of(self, names: Mapping[str, str]) -> dict[Cell, str]:
        """Return the curves of the cells whose checkpoints have a name in `names`, under these names."""
        settings = {
            cell: (cell.settings.sampler, cell.settings.steps, cell.settings.eta) for cell in self.cells
        }
        several = len(set(settings.values())) > 1
        return {
            cell: guided_label(
                curve_label(names[cell.checkpoint], *settings[cell], several=several), cell.settings.guidance
            )
            for cell in self.cells
            if cell.checkpoint in names
        }

    def units_of(self, cell: Cell) -> tuple[Unit, ...]:
        """Return the units of one cell, in prompt order."""
        return self._by_cell[cell]

    def only(self, ends: Mapping[Cell, int]) -> Plan:
        """Return a plan of the same cells, each with the units that end at or before its entry in `ends`."""
        return Plan(self.cells, tuple(unit for unit in self.units if unit.chunk.end <= ends[unit.cell]))

    @cached_property
    def _by_cell(self) -> dict[Cell, tuple[Unit, ...]]:
        groups: dict[Cell, list[Unit]] = {cell: [] for cell in self.cells}
        for unit in self.units:
            groups[unit.cell].append(unit)
        return {cell: tuple(units) for cell, units in groups.items()}


def lay_out(
    cells: Sequence[Cell],
    prompts: Sequence[Prompt],
    unit_size: int,
    ends: Mapping[str, Sequence[int]] = MappingProxyType({}),
) -> Plan:
    """Return the plan of every cell over all prompts.

    Args:
        cells: The cells of the sweep.
        prompts: The prompt set.
        unit_size: Prompts per unit.
        ends: By a cell's folder, the places after the last prompt of each of its units, if they are others.
    """
    regular = [*range(unit_size, len(prompts), unit_size), len(prompts)]
    chunks: dict[tuple[int, int], Chunk] = {}  # shared by the cells, since their digests take a while
    units = []
    for cell in cells:
        for start, end in pairwise([0, *ends.get(cell.folder, regular)]):
            chunk = chunks.setdefault((start, end), Chunk(start, tuple(prompts[start:end])))
            units.append(Unit(cell, chunk))
    return Plan(tuple(cells), tuple(units))
