"""A tensor that still lies in its file: where it is, and how to read it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

__all__ = ["StoredTensor", "contiguous_strides", "unsupported_type"]


@dataclass(frozen=True)
class StoredTensor:
    """Type, shape, strides (in elements) and place of a tensor whose bytes start at ``offset`` of ``path``.

    Reading one tensor at a time, only those that are wanted, is what keeps loading near the size of the
    weights: nothing else of the file is ever in memory.
    """

    path: Path
    offset: int
    dtype: torch.dtype
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    @property
    def extent(self) -> int:
        """Bytes from the first element to the end of the last."""
        if 0 in self.shape:
            return 0
        last = sum((size - 1) * stride for size, stride in zip(self.shape, self.strides, strict=True))
        return (last + 1) * self.dtype.itemsize

    def read(self) -> Tensor:
        """The tensor, row-major, in memory of its own.

        Raises:
            EOFError: the file ends before the tensor does.
        """
        content = torch.empty(self.extent, dtype=torch.uint8)
        with open(self.path, "rb", buffering=0) as file:
            file.seek(self.offset)
            unread = memoryview(content.numpy().data)
            while unread:
                count = file.readinto(unread)
                if not count:
                    raise EOFError(f"{self.path} ends within a tensor")
                unread = unread[count:]
        return content.view(self.dtype).as_strided(self.shape, self.strides).contiguous()


def contiguous_strides(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Strides in elements of a row-major tensor."""
    strides = [1]
    for size in reversed(shape[1:]):
        strides.append(strides[-1] * size)
    return tuple(reversed(strides)) if shape else ()


def unsupported_type(path: Path, dtype: str) -> str:
    """What to say of a file whose weights have a type that is not read."""
    return f"{path} holds weights of type {dtype}, which is not supported: convert them to float16 first"
