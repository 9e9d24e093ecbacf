"""Grids: one picture of images with different settings, made as a sweep makes them, without metrics."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from reports.xyz_grid import Axis, xyz_grid
from sdbench.core import environment
from sdbench.core.errors import InputError, SpecError
from sdbench.core.files import say_replaced, write_whole
from sdbench.core.precision import FULL, full_precision
from sdbench.core.progress import ImageProgress
from sdbench.data.prompts import Prompt, load_prompts
from sdbench.data.rows import usable
from sdbench.models import Source
from sdbench.models.catalogue import SHAPES
from sdbench.models.registry import locate_all
from sdbench.models.settings import Settings
from sdbench.spec import SweepSpec
from sdbench.spec.errors import describe
from sdbench.sweep.batch_size import BatchSize
from sdbench.sweep.generate import generate_images
from sdbench.sweep.names import check_names

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
    """What to draw.

    `size` is (height, width); None means 64 x 64 for the embedded family, else 512 x 512. `negatives` are
    negative prompts, "" for none.
    """

    prompts: tuple[str, ...]
    models: tuple[str, ...]
    samplers: tuple[str, ...]
    steps: tuple[int, ...]
    scales: tuple[float, ...]
    seed: int
    size: tuple[int, int] | None
    out: Path
    negatives: tuple[str, ...] = ("",)


def make_grid(request: GridRequest, progress: ImageProgress) -> Path:
    """Make the images and write the grid; return its path.

    Everything is checked before the first image is made. If interrupted, writes a grid of the images made so
    far and passes the interruption on.

    Raises:
        InputError: Something that the request names is wrong or missing.
    """
    if request.out.suffix.lower() != ".png":
        raise InputError(f"--out {request.out}: a grid is written as .png")
    full_precision()
    spec = _spec(request)
    negatives = _negatives(request.negatives)
    prompts = load_prompts(spec.prompts)
    sources = locate_all(spec.checkpoints)
    points = {source: _points(spec, negatives) for source in sources}
    for source, each in points.items():
        for settings in each:
            source.check(settings)
    say_replaced([request.out], progress.note)
    pictures: _Pictures = {}
    try:
        _generate(points, prompts, pictures, progress)
    finally:
        if pictures:
            write_whole(request.out, _draw(spec, prompts, negatives, pictures))
    return request.out


def _spec(request: GridRequest) -> SweepSpec:
    """Return the request as a sweep spec, so that the rules of specs apply."""
    embedded = set(request.models) <= set(SHAPES)
    content = {
        "name": "grid",
        "checkpoints": list(request.models),
        "samplers": [{"name": name, "steps": steps} for name in request.samplers for steps in request.steps],
        "guidance_scales": list(request.scales),
        "prompts": list(request.prompts),
        "image_size": list(request.size or ((64, 64) if embedded else (512, 512))),
        "seed": request.seed,
    }
    try:
        spec = SweepSpec.model_validate(content)
        check_names(spec)
    except ValidationError as error:
        raise _of_option(describe(error, {})) from None
    except SpecError as error:
        raise _of_option(str(error)) from None
    return spec


def _negatives(texts: tuple[str, ...]) -> tuple[str, ...]:
    found = tuple(usable("--negative", "the text", text) if text.strip() else "" for text in texts)
    if len(set(found)) < len(found):
        raise InputError("--negative: a text is given twice")
    return found


def _of_option(problem: str) -> InputError:
    """Return the problem of a spec's key as an error of the option that the key came from."""
    key = re.match(r"\w+", problem)
    return InputError(f"{_OPTIONS.get(key[0], 'grid') if key else 'grid'}: {problem}")


def _points(spec: SweepSpec, negatives: Sequence[str]) -> list[Settings]:
    """Return every setting of the sweep. Nothing is compiled: that takes longer than a few images."""
    height, width = spec.height_width
    return [
        Settings(
            sampler.name,
            sampler.steps,
            sampler.eta,
            scale,
            height,
            width,
            spec.seed,
            negative_prompt=negative,
        )
        for sampler in spec.samplers
        for negative in negatives
        for scale in spec.guidance_scales
    ]


def _generate(
    points: Mapping[Source, Sequence[Settings]],
    prompts: Sequence[Prompt],
    pictures: _Pictures,
    progress: ImageProgress,
) -> None:
    """Fill `pictures` by index; a model stays loaded until the next one replaces it."""
    device = environment.best_device()
    size, model = BatchSize(_BATCH), None
    progress.start(len(prompts) * sum(map(len, points.values())))
    for number, (source, each) in enumerate(points.items()):
        model = source.load(device, FULL, model)
        for settings, place in zip(each, _places(each), strict=True):
            images = generate_images(model, prompts, settings, size, progress.within, where=source.name)
            pixels = (image for batch in images for image in batch.pixels)
            for prompt, image in enumerate(pixels):
                pictures[(number, prompt, *place)] = image
            progress.finished(len(prompts))


def _places(points: Sequence[Settings]) -> list[tuple[int, ...]]:
    """Return the indices of each point along samplers, steps, negative prompts and scales."""
    keys = [(point.sampler, point.steps, point.negative_prompt, point.guidance_scale) for point in points]
    axes = [list(dict.fromkeys(values)) for values in zip(*keys, strict=True)]
    return [tuple(axis.index(value) for axis, value in zip(axes, key, strict=True)) for key in keys]


def _draw(spec: SweepSpec, prompts: Sequence[Prompt], negatives: Sequence[str], pictures: _Pictures) -> bytes:
    axes = [
        [checkpoint.name for checkpoint in spec.checkpoints],
        [f"“{prompt.text}”" for prompt in prompts],
        list(dict.fromkeys(sampler.name for sampler in spec.samplers)),
        [f"{steps} steps" for steps in dict.fromkeys(sampler.steps for sampler in spec.samplers)],
        [f"away from “{text}”" if text else "no negative prompt" for text in negatives],
        [f"scale {scale:g}" for scale in spec.guidance_scales],
    ]
    height, width = spec.height_width
    constant = [labels[0] for labels in axes if len(labels) == 1 and labels != ["no negative prompt"]]
    title = " · ".join([*constant, f"seed {spec.seed}", f"{width}×{height} pixels"])
    sink = io.BytesIO()
    xyz_grid([Axis(tuple(labels)) for labels in axes], pictures, title).save(sink, "PNG")
    return sink.getvalue()
