"""The arithmetic that models compute with: precision, compiled or not."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["FULL", "Arithmetic", "compiles", "full_precision"]


@dataclass(frozen=True)
class Arithmetic:
    """How a model computes.

    Attributes:
        precision: "full" (float32), "autocast", "bf16" or "fp16".
        compiled: Whether torch.compile is used.
    """

    precision: str = "full"
    compiled: bool = False


FULL = Arithmetic()
"""float32 without compilation: the arithmetic that all others are compared with."""


def compiles(choice: str, device: str) -> bool:
    """Return whether models are compiled on `device`. "auto" compiles on GPUs, where it pays."""
    return device.startswith("cuda") if choice == "auto" else choice == "on"


def full_precision() -> None:
    """On GPUs, compute float32 in float32 (no TF32), with the same convolution algorithms in every run."""
    import torch  # imported here, because planning does not need it

    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cudnn.benchmark = False
    torch.backends.cudnn.deterministic = True
