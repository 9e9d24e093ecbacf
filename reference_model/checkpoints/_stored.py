"""A tensor that is still in its file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

__all__ = ["StoredTensor", "read_span", "unsupported_type"]


@dataclass(frozen=True)
class StoredTensor:
    """The shape of a tensor, and a function that reads it, row-major, into memory of its own.

    Tensors are read one at a time, and only those that are wanted, so that loading takes little more memory
    than the weights.
    """

    shape: tuple[int, ...]
    read: Callable[[], Tensor]


def read_span(path: Path, offset: int, nbytes: int) -> Tensor:
    """Bytes of a file as a uint8 tensor [nbytes].

    Raises:
        EOFError: the file ends before them.
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
    """The error line for a file whose weights have a type that is not read."""
    return f"{path} holds weights of type {dtype}, which is not supported: convert them to float16 first"
