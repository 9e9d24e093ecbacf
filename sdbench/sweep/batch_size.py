"""The batch size under `batch_size: auto`."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

from sdbench.core.errors import SamplingError
from sdbench.core.memory import is_out_of_memory, release_memory
from sdbench.models import Model
from sdbench.runs.plan import Unit

__all__ = ["BatchSize", "automatic_size", "doubled", "untried_size"]

GAIN = 0.97
"""Doubling the batch pays if it brings the time per image below this share of the time before."""

COMPILED = 16
"""Batch size of compiled networks. No size is tried, since each is compiled separately; twice this size gains
1% with Stable Diffusion v1 on an H100."""

TRIAL_STEPS = 2
"""Sampler steps of a trial; enough to compare the time per image."""


class BatchSize:
    """The current batch size, halved whenever a batch does not fit into memory.

    Attributes:
        value: Images per batch.
        notes: A line for the user for each time it was halved.
    """

    def __init__(self, value: int) -> None:
        self.value = value
        self.notes: list[str] = []

    def halve(self, why: str) -> None:
        """Halve the batch size; SamplingError, with `why`, if a single image does not fit."""
        if self.value == 1:
            raise SamplingError(f"out of memory for a single image: {why}")
        self.value //= 2
        self.notes.append(f"out of memory: batches of {self.value} from here on")
        release_memory()


def automatic_size(model: Model, unit: Unit, device: str, unit_size: int) -> int:
    """Return the batch size to start with; if it does not fit after all, the worker halves it.

    Args:
        model: The model, loaded.
        unit: The unit to be made. It may be shorter than `unit_size`, which must not change the size.
        device: The device of the model.
        unit_size: Images of a whole unit; the largest size.
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
    """Return the batch size if no trials are made.

    On a CPU, a whole unit: a size that depended on timings could differ between runs. On a GPU, the size for
    compiled networks.
    """
    return unit_size if device == "cpu" else min(unit_size, COMPILED)


def doubled(attempt: Callable[[int], float], most: int) -> int:
    """Return the batch size, at most `most`, beyond which doubling gains nothing or does not fit.

    `attempt` makes a batch of a given size and returns the seconds it took. Its first call is a warm-up.
    """
    attempt(1)
    size, seconds = 1, attempt(1)  # seconds per image
    while 2 * size <= most:
        try:
            attempt(2 * size)  # warm-up: chooses kernels for the new shape
            longer = attempt(2 * size)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            return size
        if longer / (2 * size) > GAIN * seconds:
            return size
        size, seconds = 2 * size, longer / (2 * size)
    return size
