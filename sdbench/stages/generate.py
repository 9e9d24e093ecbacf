"""Stage 1: a unit's images.

The starting noise of an image depends on the seed and its prompt id alone; all cells share it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from sdbench.errors import SamplingError, one_line
from sdbench.memory import BatchSize, is_out_of_memory
from sdbench.models import Images, Model, OnStep
from sdbench.plan import Unit
from sdbench.prompts import Prompt

__all__ = ["generate_images"]


def generate_images(
    model: Model, unit: Unit, size: BatchSize, tick: Callable[[float], None]
) -> Iterator[Images]:
    """The unit's images in prompt order, batch by batch; a batch that does not fit is made in halves.

    `tick` is told how many of the unit's images are done, in fractions while a batch is under way.
    Raises SamplingError where the model fails, with the prompts that it happened to.
    """
    prompts = unit.chunk.prompts
    start = 0
    while start < len(prompts):
        batch = prompts[start : start + size.value]

        def on_step(done: int, total: int, start: int = start, size: int = len(batch)) -> None:
            tick(start + size * done / total)

        made = _made(model, unit, batch, on_step)
        if isinstance(made, Images):
            yield made
            start += len(batch)
        else:
            size.halve(made)


def _made(model: Model, unit: Unit, batch: Sequence[Prompt], on_step: OnStep) -> Images | str:
    """The images, or what the full memory says. Words, since the error itself would hold on to tensors."""
    try:
        return model.generate(batch, unit.cell, on_step)
    except ValueError as error:
        where = f"cell {unit.cell.folder}, prompts {batch[0].id} to {batch[-1].id}"
        raise SamplingError(f"{where}: {error}") from error
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        return one_line(error)
