"""A tensor that has not been read from its file yet."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

__all__ = ["StoredTensor", "read_span", "unsupported_type"]


@dataclass(frozen=True)
class StoredTensor:
    """The shape of a tensor, and a function that reads it, row-major, into its own memory.

    Reading one tensor at a time, and only those that are wanted, keeps memory during loading little above
    the size of the weights.
    """

    shape: tuple[int, ...]
    read: Callable[[], Tensor]


def read_span(path: Path, offset: int, nbytes: int) -> Tensor:
    """Read ``nbytes`` bytes of a file as a uint8 tensor [nbytes].

    Raises:
        EOFError: the file ends before the last of them.
    """
    content = torch.empty(nbytes, dtype=torch.uint8)
    with open(path, "rb", buffering=0) as file:
        file.seek(offset)
        unread = memoryview(content.numpy().data)
        while unread:
            count = file.readinto(unread)
            if not count:
                raise EOFError(f"{path} ends within a tensor")
            unread = unread[count:]
    return content


def unsupported_type(path: Path, dtype: str) -> str:
    """The error line for a file whose weights have an unsupported type."""
    return f"{path} holds weights of type {dtype}, which is not supported: convert them to float16 first"
