"""Prompts to images.

The starting noise of an image depends on the seed and its prompt id alone; all cells share it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from sdbench.core.errors import SamplingError, one_line
from sdbench.core.memory import BatchSize, is_out_of_memory
from sdbench.data.prompts import Prompt
from sdbench.models import Images, Model, OnStep
from sdbench.models.settings import Settings

__all__ = ["generate_images"]


def generate_images(
    model: Model,
    prompts: Sequence[Prompt],
    settings: Settings,
    size: BatchSize,
    tick: Callable[[float], None],
    *,
    where: str,
) -> Iterator[Images]:
    """The prompts' images in order, batch by batch; a batch that does not fit is made in halves.

    `tick` is told how many of the images are done, in fractions while a batch is under way. Raises
    SamplingError if the model fails, with `where` and the prompts that it failed on.
    """
    start = 0
    while start < len(prompts):
        batch = prompts[start : start + size.value]

        def on_step(done: int, total: int, start: int = start, size: int = len(batch)) -> None:
            tick(start + size * done / total)

        made = _made(model, batch, settings, on_step, where)
        if isinstance(made, Images):
            yield made
            start += len(batch)
        else:
            size.halve(made)


def _made(
    model: Model, batch: Sequence[Prompt], settings: Settings, on_step: OnStep, where: str
) -> Images | str:
    """The images, or what the full memory says. Words, since the error itself would hold on to tensors."""
    try:
        return model.generate(batch, settings, on_step)
    except ValueError as error:
        raise SamplingError(f"{where}, prompts {batch[0].id} to {batch[-1].id}: {error}") from error
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        return one_line(error)
