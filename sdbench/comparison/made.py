"""Models as sides: their images of the same prompts from the same noise, made once and kept.

They are kept by content in the folder of `sdbench.models.home`: another comparison of the same model makes
only what is missing, and an interrupted one resumes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from pydantic import ValidationError

from sdbench.comparison.sides import Side
from sdbench.core import environment
from sdbench.core.digest import SHORT, digest_value
from sdbench.core.errors import InputError, SpecError
from sdbench.core.paths import typed_path
from sdbench.core.precision import FULL
from sdbench.core.progress import ImageProgress
from sdbench.data.prompts import Prompt, load_prompts
from sdbench.models import Source
from sdbench.models.catalogue import SHAPES
from sdbench.models.home import home
from sdbench.models.native_size import common_size
from sdbench.models.registry import known_names, locate_all
from sdbench.models.settings import Settings
from sdbench.runs.images import as_png
from sdbench.runs.store import LocalStore
from sdbench.spec import FilePrompts, ShapesPrompts, SweepSpec
from sdbench.spec.errors import describe
from sdbench.spec.model_entry import WEIGHTS_SUFFIXES
from sdbench.sweep.batch_size import BatchSize
from sdbench.sweep.generate import generate_images
from sdbench.sweep.names import check_names

__all__ = ["Asked", "is_model", "made_sides"]

BATCH = 8
UNIT = 32
"""Images that are made before they are written; an interruption loses at most these."""

OWN_PROMPTS = ShapesPrompts(source="shapes", count=64, seed=1)
"""Prompts of two models of the embedded family, if no others are given."""


@dataclass(frozen=True)
class Asked:
    """What models are asked to do."""

    sampler: str = "plms"
    steps: int = 50
    scale: float = 7.5
    seed: int = 42


def is_model(text: str) -> bool:
    """Return whether a side names a model: a known one, or a file of weights."""
    return Path(text).suffix in WEIGHTS_SUFFIXES or (not typed_path(text).exists() and text in known_names())


def made_sides(
    names: Sequence[str], prompts: str | None, asked: Asked, progress: ImageProgress
) -> list[Side]:
    """Return the images of models as sides; makes those that are missing.

    Raises:
        InputError: A model, the sampler or the prompts cannot be used, before the first image is made.
        SamplingError: A model fails.
    """
    sources = [_source(name, asked) for name in names]
    if prompts is None and not set(names) <= set(SHAPES):
        raise InputError("models are compared on prompts: give them by --prompts FILE")
    texts = load_prompts(OWN_PROMPTS if prompts is None else FilePrompts(source="file", path=prompts))
    height, width = common_size(list({source.name: source for source in sources}.values()))
    settings = Settings(asked.sampler, asked.steps, 0.0, asked.scale, height, width, asked.seed)
    for source in sources:
        source.check(settings)
    return [
        _made(source, name, settings, texts, progress) for source, name in zip(sources, names, strict=True)
    ]


def _source(name: str, asked: Asked) -> Source:
    content = {
        "name": "compare",
        "checkpoints": [name],
        "samplers": [{"name": asked.sampler, "steps": asked.steps}],
        "guidance_scales": [asked.scale],
        "prompts": ["-"],
        "image_size": 64,
        "seed": asked.seed,
    }
    try:
        spec = SweepSpec.model_validate(content)
        check_names(spec)
    except ValidationError as error:
        raise InputError(f"{name}: {describe(error, {})}") from None
    except SpecError as error:
        raise InputError(f"{name}: {error}") from None
    return locate_all(spec.checkpoints)[0]


def _made(
    source: Source, name: str, settings: Settings, prompts: Sequence[Prompt], progress: ImageProgress
) -> Side:
    content = {"weights": source.identify(), "config": source.config_digest(), **asdict(settings)}
    store = LocalStore(home() / "compared" / f"{source.name}_{digest_value(content)[:SHORT]}")
    files = {prompt.id: f"{prompt.id}.png" for prompt in prompts}
    there = store.names("")
    missing = [prompt for prompt in prompts if files[prompt.id] not in there]
    if missing:
        progress.start(len(missing))
        model = source.load(environment.best_device(), FULL)
        size = BatchSize(BATCH)
        for start in range(0, len(missing), UNIT):
            part = missing[start : start + UNIT]
            images = generate_images(model, part, settings, size, progress.within, where=name)
            pixels = (image for batch in images for image in batch.pixels)
            for prompt, image in zip(part, pixels, strict=True):
                store.write(files[prompt.id], as_png(image), durable=False)
            progress.finished(len(part))
        model.release()

    def read(keys: Sequence[str]) -> Iterator[bytes]:
        return (store.read(files[key]) for key in keys)

    texts = {prompt.id: prompt.text for prompt in prompts}
    return Side(name, files, read, prompts=texts, shapes=name in SHAPES, seed=settings.seed)
