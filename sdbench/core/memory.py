"""What happens when the memory of a device is full: smaller batches."""

from __future__ import annotations

import gc

from sdbench.core.errors import SamplingError, one_line

__all__ = ["BatchSize", "is_out_of_memory"]

_WORDS = ("out of memory", "can't allocate memory", "cannot allocate memory", "not enough memory")


class BatchSize:
    """So many images at a time, halved whenever they do not fit; `notes` says that it happened."""

    def __init__(self, value: int) -> None:
        self.value = value
        self.notes: list[str] = []

    def halve(self, why: str) -> None:
        """Half as many from now on; SamplingError where one image alone does not fit."""
        if self.value == 1:
            raise SamplingError(f"out of memory for a single image: {why}")
        self.value //= 2
        self.notes.append(f"out of memory: batches of {self.value} from here on")
        _free()


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error of torch, of a device's library or of Python says that the memory is full."""
    import torch

    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and any(words in one_line(error).lower() for words in _WORDS)


def _free() -> None:
    """Give back what the failed batch held, or the half would not fit either."""
    import torch

    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
