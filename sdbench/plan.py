"""The plan: which cells a spec asks for, and the units of work they fall into. Pure: reads no file
but the source of a third-party sampler, whose digest is part of its cells.

Everything here has an identity by content. A cell's says which weights, sampler and noise make its
images; a unit's adds the prompts and the feature extractors. Names of folders and files carry a short
digest of it, so work under other conditions lies beside and is never mistaken for the same.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from sdbench.digest import SHORT, digest_value
from sdbench.labels import curve_label
from sdbench.precision import Arithmetic
from sdbench.prompts import Prompt
from sdbench.registry import Checkpoint
from sdbench.samplers import sampler_identity
from sdbench.spec import ExperimentSpec, SamplerSpec

__all__ = ["Cell", "Chunk", "Plan", "Unit", "make_plan"]

IMAGES_VERSION = 1
"""Raised by a change to the code that changes images, so that older shards are not taken for new ones."""


@dataclass(frozen=True)
class Cell:
    """One point of the sweep. The batch size is not part of it: it moves no more than the last bit."""

    checkpoint: Checkpoint
    sampler: SamplerSpec
    guidance_scale: float
    height: int
    width: int
    seed: int
    precision: str
    compiled: bool = False

    @property
    def arithmetic(self) -> Arithmetic:
        """How the model computes the cell's images."""
        return Arithmetic(self.precision, self.compiled)

    @property
    def identity(self) -> dict[str, Any]:
        """What determines the images of a prompt, as a JSON value."""
        source = sampler_identity(self.sampler.name)
        return {
            "images_version": IMAGES_VERSION,
            "weights": self.checkpoint.weights_digest,
            "config": self.checkpoint.config_digest,
            "sampler": self.sampler.name,
            "steps": self.sampler.steps,
            "eta": self.sampler.eta,
            "guidance_scale": self.guidance_scale,
            "height": self.height,
            "width": self.width,
            "seed": self.seed,
            "precision": self.precision,
            **({"compiled": True} if self.compiled else {}),
            **({} if source is None else {"sampler_source": source}),
        }

    @cached_property
    def folder(self) -> str:
        """The folder name of its shards and images, such as shapes-v1-4_plms50_s7.5_<digest>."""
        eta = f"_eta{self.sampler.eta:g}" if self.sampler.eta else ""
        sampler = re.sub(r"[^\w.+-]", ".", self.sampler.name, flags=re.ASCII)
        path = f"{sampler}{self.sampler.steps}{eta}"
        digest = digest_value(self.identity)[:SHORT]
        return f"{self.checkpoint.name}_{path}_s{self.guidance_scale:g}_{digest}"


@dataclass(frozen=True)
class Chunk:
    """Consecutive prompts; `start` is the place of the first one in the prompt set."""

    start: int
    prompts: tuple[Prompt, ...]

    @cached_property
    def digest(self) -> str:
        """The sha256 of the prompts' ids and texts."""
        return digest_value([[prompt.id, prompt.text] for prompt in self.prompts])


@dataclass(frozen=True)
class Unit:
    """A cell times a chunk of prompts: what a worker does at one go and writes as one shard."""

    cell: Cell
    chunk: Chunk
    extractors: tuple[tuple[str, str], ...]

    @property
    def identity(self) -> dict[str, Any]:
        """What determines the shard: the cell, the prompts, the extractors by name and weights digest."""
        return {
            "cell": self.cell.identity,
            "prompts": self.chunk.digest,
            "extractors": [list(pair) for pair in self.extractors],
        }

    @cached_property
    def name(self) -> str:
        """The shard's file name without its ending, such as 000000-000063_<digest>."""
        last = self.chunk.start + len(self.chunk.prompts) - 1
        return f"{self.chunk.start:06d}-{last:06d}_{digest_value(self.identity)[:SHORT]}"


@dataclass(frozen=True)
class Plan:
    """Cells in the order of the results, units in the order of work."""

    cells: tuple[Cell, ...]
    units: tuple[Unit, ...]

    @property
    def images(self) -> int:
        """How many images all units make."""
        return sum(len(unit.chunk.prompts) for unit in self.units)

    @cached_property
    def curves(self) -> dict[Cell, str]:
        """The name of the curve that each cell is a point of."""
        several = len({cell.sampler for cell in self.cells}) > 1
        return {
            cell: curve_label(
                cell.checkpoint.name,
                cell.sampler.name,
                cell.sampler.steps,
                cell.sampler.eta,
                several=several,
            )
            for cell in self.cells
        }

    def units_of(self, cell: Cell) -> tuple[Unit, ...]:
        """The units of one cell, in prompt order."""
        return self._by_cell[cell]

    @cached_property
    def _by_cell(self) -> dict[Cell, tuple[Unit, ...]]:
        groups: dict[Cell, list[Unit]] = {cell: [] for cell in self.cells}
        for unit in self.units:
            groups[unit.cell].append(unit)
        return {cell: tuple(units) for cell, units in groups.items()}


def make_plan(
    spec: ExperimentSpec,
    checkpoints: Sequence[Checkpoint],
    prompts: Sequence[Prompt],
    extractors: Mapping[str, str],
    device: str = "cpu",
) -> Plan:
    """The plan of `spec` for checkpoints, prompts and extractors (name -> weights digest) that were found.

    `device` decides whether models are compiled where the spec leaves that open. Checkpoints are outermost,
    since loading one is the dearest change; then samplers, scales, prompts.
    """
    height, width = spec.image_size
    compiled = spec.compiled_on(device)
    cells = tuple(
        Cell(checkpoint, sampler, scale, height, width, spec.seed, spec.precision, compiled)
        for checkpoint in checkpoints
        for sampler in spec.samplers
        for scale in spec.guidance_scales
    )
    size = spec.unit_size
    chunks = [Chunk(start, tuple(prompts[start : start + size])) for start in range(0, len(prompts), size)]
    wanted = tuple(sorted(extractors.items()))
    return Plan(cells, tuple(Unit(cell, chunk, wanted) for cell in cells for chunk in chunks))
