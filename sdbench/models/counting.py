"""What is asked of every model: how often its denoiser was evaluated, and numbers drawn for each image."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

__all__ = ["Count", "counted", "image_seed"]


@dataclass
class Count:
    """Images that went through a denoiser; an image counts twice where both halves of guidance do."""

    rows: int = 0


@contextmanager
def counted(denoisers: Sequence[nn.Module]) -> Iterator[Count]:
    """Count what goes through the denoisers while the block runs."""
    count = Count()

    def add(module: nn.Module, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
        count.rows += len(next(value for value in (*args, *kwargs.values()) if isinstance(value, Tensor)))

    handles = [denoiser.register_forward_pre_hook(add, with_kwargs=True) for denoiser in denoisers]
    try:
        yield count
    finally:
        for handle in handles:
            handle.remove()


def image_seed(seed: int, prompt_id: str) -> int:
    """The seed of one image, 63 bits, for models that draw their own noise."""
    digest = hashlib.sha256(f"image/{seed}/{prompt_id}".encode()).digest()
    return int.from_bytes(digest[:8], "little") >> 1
