"""A model by its name, which makes images from prompts."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter, ValidationError

from sdbench.api.inputs import as_display, as_texts
from sdbench.core.environment import best_device
from sdbench.core.errors import InputError
from sdbench.core.precision import FULL, full_precision
from sdbench.core.progress import ImageProgress
from sdbench.data.prompts import load_prompts
from sdbench.models.native_size import SD_V1, native_size
from sdbench.models.registry import locate_all
from sdbench.models.settings import Settings
from sdbench.spec import ListPrompts
from sdbench.spec.errors import describe
from sdbench.spec.model_entry import ModelEntry
from sdbench.spec.models import CheckpointEntry
from sdbench.sweep.batch_size import BatchSize
from sdbench.sweep.generate import generate_images

if TYPE_CHECKING:
    from PIL import Image

    from sdbench.models import Source

__all__ = ["LoadedModel", "load_model"]

_ENTRY: TypeAdapter[ModelEntry] = TypeAdapter(CheckpointEntry)


class LoadedModel:
    """A model that makes images from prompts, as a sweep does."""

    def __init__(self, source: Source, device: str) -> None:
        self._source = source
        self._model = source.load(device, FULL)
        self._device = device

    @property
    def name(self) -> str:
        """Its name in results."""
        return self._source.name

    @property
    def digest(self) -> str:
        """The sha256 of its weights."""
        return self._model.digest

    def generate(
        self,
        prompts: Any,
        *,
        guidance_scale: float = 7.5,
        sampler: str = "plms",
        steps: int = 50,
        seed: int = 0,
        size: int | tuple[int, int] | None = None,
        eta: float = 0.0,
        batch_size: int = 8,
        progress: bool = True,
    ) -> list[Image.Image]:
        """Make an image for each prompt.

        Its noise depends only on the seed, the prompt and the prompt's place in the list: the images are
        those of a sweep with the same settings and the same list of prompts, whatever the batch size.

        Args:
            prompts: A prompt, a list of prompts, a column, or a data frame with a column `prompt`.
            guidance_scale: Scale of classifier-free guidance.
            sampler: A sampler that the model understands (docs/samplers.md).
            steps: Number of sampling steps.
            seed: Seed of the noise.
            size: In pixels: the edge of a square, or (height, width). By default the size that the model was
                trained for, as in a spec; 512 if that is not known.
            eta: Share of fresh noise in each step of DDIM, 0 to 1.
            batch_size: Images at a time; halved while memory runs out.
            progress: Whether to show progress.

        Raises:
            InputError: The model cannot use the settings, or a prompt is blank.
            SamplingError: The model fails.
        """
        texts = as_texts([prompts] if isinstance(prompts, str) else prompts, "prompts")
        if not texts:
            raise InputError("prompts: the list is empty")
        if batch_size < 1:
            raise InputError(f"batch_size: {batch_size} is less than 1")
        height, width = self._size(size)
        settings = Settings(sampler, steps, eta, float(guidance_scale), height, width, seed)
        self._source.check(settings)
        listed = load_prompts(ListPrompts(source="list", prompts=tuple(texts)))
        made: list[Image.Image] = []
        with ImageProgress(as_display(progress)) as shown:
            shown.start(len(listed))
            batches = generate_images(
                self._model, listed, settings, BatchSize(batch_size), shown.within, where=self.name
            )
            for batch in batches:
                made += _pictures(batch.pixels)
            shown.finished(len(listed))
        return made

    def _size(self, size: int | tuple[int, int] | None) -> tuple[int, int]:
        if size is None:
            size = native_size(self._source) or SD_V1
        return (size, size) if isinstance(size, int) else size

    def __repr__(self) -> str:
        return f"LoadedModel({self.name}, {self.digest[:12]}, {self._device})"


def load_model(name: str | os.PathLike[str], *, device: str | None = None) -> LoadedModel:
    """Load a model.

    Args:
        name: A name that `sdbench models list` shows, or a path of weights, as in a spec's `checkpoints`.
        device: "cpu" or "cuda"; by default a GPU if there is one.

    Raises:
        InputError: The name is unknown, the weights are missing, or the files hold no model.
    """
    try:
        entry = _ENTRY.validate_python(str(name))
    except ValidationError as error:
        raise InputError(f"model: {describe(error, {'': ModelEntry})}") from None
    full_precision()
    (source,) = locate_all([entry])
    return LoadedModel(source, device or best_device())


def _pictures(pixels: Any) -> list[Image.Image]:
    from PIL import Image

    return [Image.fromarray(image) for image in pixels]
