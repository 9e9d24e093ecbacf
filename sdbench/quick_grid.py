"""Images of a few settings side by side, without metrics: made as a sweep makes them, kept as one picture."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from reports.xyz_grid import Axis, xyz_grid
from sdbench import provenance
from sdbench.errors import InputError
from sdbench.memory import BatchSize
from sdbench.models import Model
from sdbench.models.catalogue import SHAPES
from sdbench.plan import Cell, Plan, make_plan
from sdbench.precision import full_precision
from sdbench.progress import RunProgress
from sdbench.prompts import Prompt, load_prompts
from sdbench.registry import Checkpoint, locate_all
from sdbench.spec import ExperimentSpec
from sdbench.spec_errors import describe
from sdbench.stages.generate import generate_images
from sdbench.store import LocalStore
from sdbench.worker import UnitReport

__all__ = ["GridRequest", "make_grid"]

_BATCH = 8
_OPTIONS = {
    "checkpoints": "--models",
    "samplers": "--samplers and --steps",
    "guidance_scales": "--scales",
    "prompts": "--prompt",
    "image_size": "--size",
    "seed": "--seed",
}

_Pictures = dict[tuple[int, ...], NDArray[np.uint8]]


@dataclass(frozen=True)
class GridRequest:
    """What is asked for. `size` (height, width); None: 64 x 64 for the embedded family, else 512 x 512."""

    prompts: tuple[str, ...]
    models: tuple[str, ...]
    samplers: tuple[str, ...]
    steps: tuple[int, ...]
    scales: tuple[float, ...]
    seed: int
    size: tuple[int, int] | None
    out: Path


def make_grid(request: GridRequest, progress: RunProgress) -> Path:
    """Make the images and write the grid; returns its path.

    All is checked before the first image is made. Interrupted, it writes the grid of the images that there
    are, and lets the interruption pass. Raises InputError for what is wrong or missing.
    """
    if request.out.suffix.lower() != ".png":
        raise InputError(f"--out {request.out}: a grid is written as .png")
    full_precision()
    spec = _spec(request)
    prompts = load_prompts(spec.prompts)
    sources = locate_all(spec.checkpoints)
    # Nothing is stored under a digest here, so the weights need not be hashed.
    checkpoints = [Checkpoint(source, "", source.config_digest()) for source in sources]
    device = provenance.best_device()
    plan = make_plan(spec, checkpoints, prompts, {}, device)
    for cell in plan.cells:
        cell.checkpoint.source.check(cell)
    pictures: _Pictures = {}
    try:
        _generate(plan, device, pictures, progress)
    finally:
        if pictures:
            _write(request.out, _draw(spec, prompts, pictures))
    return request.out


def _spec(request: GridRequest) -> ExperimentSpec:
    """The request as an experiment, so that the rules of specs hold and its noise is that of a sweep."""
    embedded = set(request.models) <= set(SHAPES)
    content = {
        "name": "grid",
        "checkpoints": list(request.models),
        "samplers": [{"name": name, "steps": steps} for name in request.samplers for steps in request.steps],
        "guidance_scales": list(request.scales),
        "prompts": list(request.prompts),
        "image_size": list(request.size or ((64, 64) if embedded else (512, 512))),
        "seed": request.seed,
        "compile": "off",  # compiling takes longer than a few images
        "batch_size": _BATCH,
        "unit_size": len(request.prompts),
        "metrics": ["clip-score-shapes"],  # a spec has one; none is computed here
    }
    try:
        return ExperimentSpec.model_validate(content)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]["loc"]
        option = _OPTIONS.get(str(first[0])) if first else None
        raise InputError(f"{option or 'grid'}: {describe(error, {})}") from None


def _generate(plan: Plan, device: str, pictures: _Pictures, progress: RunProgress) -> None:
    """Fill `pictures` by place; a model stays loaded until the next one takes its place."""
    import torch

    places = _places(plan.cells)
    progress.start(plan, plan.units)
    loaded: tuple[Checkpoint, Model] | None = None
    size = BatchSize(_BATCH)
    for unit in plan.units:
        if loaded is None or loaded[0] != unit.cell.checkpoint:
            reuse = loaded[1] if loaded else None
            model = unit.cell.checkpoint.source.load(device, unit.cell.arithmetic, reuse)
            loaded = (unit.cell.checkpoint, model)
        made = 0
        for batch in generate_images(loaded[1], unit, size, partial(progress.tick, unit)):
            for image in batch.pixels:
                pictures[_place(places[unit.cell], made)] = image
                made += 1
        progress.finished(
            UnitReport(unit, {}, [size.value], device, torch.get_num_threads(), tuple(size.notes))
        )


def _places(cells: Sequence[Cell]) -> Mapping[Cell, tuple[int, int, int, int]]:
    """Each cell's place along models, samplers, steps and scales."""
    keys = [(c.checkpoint.name, c.sampler.name, c.sampler.steps, c.guidance_scale) for c in cells]
    values = [list(dict.fromkeys(axis)) for axis in zip(*keys, strict=True)]
    return {
        cell: tuple(axis.index(value) for axis, value in zip(values, key, strict=True))  # type: ignore[misc]
        for cell, key in zip(cells, keys, strict=True)
    }


def _place(cell: tuple[int, int, int, int], prompt: int) -> tuple[int, ...]:
    """The place on all axes: models outermost, the prompt next, the scale innermost."""
    model, sampler, steps, scale = cell
    return (model, prompt, sampler, steps, scale)


def _draw(spec: ExperimentSpec, prompts: Sequence[Prompt], pictures: _Pictures) -> bytes:
    axes = [
        [checkpoint.name for checkpoint in spec.checkpoints],
        [f"“{prompt.text}”" for prompt in prompts],
        list(dict.fromkeys(sampler.name for sampler in spec.samplers)),
        [f"{steps} steps" for steps in dict.fromkeys(sampler.steps for sampler in spec.samplers)],
        [f"scale {scale:g}" for scale in spec.guidance_scales],
    ]
    height, width = spec.image_size
    constant = [labels[0] for labels in axes if len(labels) == 1]
    title = " · ".join([*constant, f"seed {spec.seed}", f"{width}×{height} pixels"])
    sink = io.BytesIO()
    xyz_grid([Axis(tuple(labels)) for labels in axes], pictures, title).save(sink, "PNG")
    return sink.getvalue()


def _write(path: Path, content: bytes) -> None:
    LocalStore(path.parent).write(path.name, content)
