"""Stage 1: a unit's images.

The starting noise of an image depends on the seed and its prompt id alone; all cells share it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from sdbench.errors import SamplingError
from sdbench.models import Images, Model
from sdbench.plan import Unit

__all__ = ["generate_images"]


def generate_images(
    model: Model, unit: Unit, batch_size: int, tick: Callable[[float], None]
) -> Iterator[Images]:
    """The unit's images in prompt order, batch by batch.

    `tick` is told how many of the unit's images are done, in fractions while a batch is under way.
    Raises SamplingError where the model fails, with the prompts that it happened to.
    """
    prompts = unit.chunk.prompts
    for start in range(0, len(prompts), batch_size):
        batch = prompts[start : start + batch_size]

        def on_step(done: int, total: int, start: int = start, size: int = len(batch)) -> None:
            tick(start + size * done / total)

        try:
            yield model.generate(batch, unit.cell, on_step)
        except ValueError as error:
            where = f"cell {unit.cell.folder}, prompts {batch[0].id} to {batch[-1].id}"
            raise SamplingError(f"{where}: {error}") from error
