"""Makes the images of prompts.

An image's starting noise depends only on the seed and its prompt id, so all cells share it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from sdbench.core.errors import SamplingError, one_line
from sdbench.core.memory import is_out_of_memory
from sdbench.core.precision import FULL
from sdbench.data.prompts import Prompt
from sdbench.models import Images, Model, OnStep
from sdbench.models.settings import Settings
from sdbench.sweep.batch_size import BatchSize

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
    """Yield the prompts' images in order, batch by batch; a batch that does not fit into memory is halved.

    Args:
        model: The model, loaded.
        prompts: The prompts.
        settings: What the model is asked to do.
        size: The batch size; halved here if memory runs out.
        tick: Called with the number of images done, fractional during a batch.
        where: What the error line begins with.

    Raises:
        SamplingError: The model fails; the message names the prompts that it failed on.
    """
    start = 0
    while start < len(prompts):
        batch = prompts[start : start + size.value]

        def on_step(done: int, total: int, start: int = start, size: int = len(batch)) -> None:
            tick(start + size * done / total)

        made = _made(model, _filled(model, batch, settings, size.value), settings, on_step, where)
        if isinstance(made, Images):
            yield _first(made, len(batch))
            start += len(batch)
        else:
            size.halve(made)


def _filled(model: Model, batch: Sequence[Prompt], settings: Settings, size: int) -> Sequence[Prompt]:
    """Repeat the last prompt until a short batch has the full size, if its images depend on the size.

    Compiled networks are also compiled once for every size.
    """
    if settings.arithmetic == FULL or not model.fills_batches:
        return batch
    return [*batch, *[batch[-1]] * (size - len(batch))]


def _first(made: Images, count: int) -> Images:
    again, scales = (
        None if rows is None else rows[:count] for rows in (made.decoded_again, made.guidance_scales)
    )
    return Images(made.pixels[:count], made.evaluations, made.finite[:count], again, scales)


def _made(
    model: Model, batch: Sequence[Prompt], settings: Settings, on_step: OnStep, where: str
) -> Images | str:
    """Return the images, or the out-of-memory message; the error itself would keep tensors alive."""
    try:
        return model.generate(batch, settings, on_step)
    except ValueError as error:
        raise SamplingError(f"{where}, prompts {batch[0].id} to {batch[-1].id}: {error}") from error
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        return one_line(error)
