"""Out of memory: recognise it, and continue with smaller batches."""

from __future__ import annotations

import gc

from sdbench.core.errors import SamplingError, one_line

__all__ = ["BatchSize", "is_out_of_memory"]

_WORDS = ("out of memory", "can't allocate memory", "cannot allocate memory", "not enough memory")


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
        _free()


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether an error of torch, of a device's library or of Python says that memory is full."""
    import torch

    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and any(words in one_line(error).lower() for words in _WORDS)


def _free() -> None:
    """Free what the failed batch held; otherwise, half a batch might not fit either."""
    import torch

    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
