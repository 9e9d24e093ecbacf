"""Counting the evaluations of a denoiser that the harness did not write."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

__all__ = ["EvaluationCount", "counted"]


@dataclass
class EvaluationCount:
    """Number of inputs that denoisers evaluated: with guidance, two per image and call."""

    rows: int = 0


@contextmanager
def counted(denoisers: Sequence[nn.Module]) -> Iterator[EvaluationCount]:
    """Count the inputs that the denoisers evaluate during the block."""
    count = EvaluationCount()

    def add(module: nn.Module, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
        count.rows += len(next(value for value in (*args, *kwargs.values()) if isinstance(value, Tensor)))

    handles = [denoiser.register_forward_pre_hook(add, with_kwargs=True) for denoiser in denoisers]
    try:
        yield count
    finally:
        for handle in handles:
            handle.remove()
