"""Out of memory: recognise it, and give back what a failed batch held."""

from __future__ import annotations

import gc
import sys

from sdbench.core.errors import one_line

__all__ = ["is_out_of_memory", "release_memory"]

_WORDS = (
    "out of memory",
    "can't allocate memory",
    "cannot allocate memory",
    "not enough memory",
    "status_alloc_failed",  # cuDNN, cuBLAS and their relatives
    "unable to find an engine",  # cuDNN, if none of its algorithms gets its workspace
)


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether an error of torch, of a device's library or of Python says that memory is full."""
    import torch

    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and any(words in one_line(error).lower() for words in _WORDS)


def release_memory() -> None:
    """Free what the failed batch held; otherwise, half a batch might not fit either.

    Compiled networks are forgotten: the CUDA graphs of the larger batch would keep their memory for good.
    """
    import torch

    if "torch._dynamo" in sys.modules:  # it takes seconds to import
        torch.compiler.reset()
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
