"""How many images to make at a time where the spec says `batch_size: auto`."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

from sdbench.core.memory import is_out_of_memory
from sdbench.models import Model
from sdbench.runs.plan import Unit

__all__ = ["automatic_size", "doubled", "untried_size"]

GAIN = 0.97
"""A batch of twice the size must bring the time of an image below this share of what it was."""

COMPILED = 16
"""Each size is compiled anew, so none is tried; twice as many gain 1% with Stable Diffusion v1 on an H100."""

TRIAL_STEPS = 2


def automatic_size(model: Model, unit: Unit, device: str, unit_size: int) -> int:
    """The size to start with; where it does not fit after all, the worker halves it.

    `unit` is the one at hand: a short last one, where a run goes on, must not lead to another size.
    """
    if device == "cpu" or unit.cell.settings.compiled:
        return untried_size(device, unit_size)
    prompts = unit.chunk.prompts * -(-unit_size // len(unit.chunk.prompts))
    settings = replace(unit.cell.settings, steps=TRIAL_STEPS)

    def attempt(size: int) -> float:
        start = time.perf_counter()
        model.generate(prompts[:size], settings, lambda done, total: None)
        return time.perf_counter() - start

    return doubled(attempt, unit_size)


def untried_size(device: str, unit_size: int) -> int:
    """On a CPU a whole unit, since a size that hangs on a clock would not be the same in every run.

    On a GPU that of compiled networks.
    """
    return unit_size if device == "cpu" else min(unit_size, COMPILED)


def doubled(attempt: Callable[[int], float], most: int) -> int:
    """The size up to `most` beyond which doubling gains nothing or does not fit.

    `attempt` makes so many images and returns the seconds; its first call is one of warming up.
    """
    attempt(1)
    size, seconds = 1, attempt(1)  # of an image
    while 2 * size <= most:
        try:
            attempt(2 * size)  # chooses kernels for the new shape
            longer = attempt(2 * size)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            return size
        if longer / (2 * size) > GAIN * seconds:
            return size
        size, seconds = 2 * size, longer / (2 * size)
    return size
