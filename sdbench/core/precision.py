"""The arithmetic that images are computed in."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["FULL", "Arithmetic", "compiles", "full_precision"]


@dataclass(frozen=True)
class Arithmetic:
    """How a model computes: `precision` full, autocast, bf16 or fp16; `compiled`: by torch.compile."""

    precision: str = "full"
    compiled: bool = False


FULL = Arithmetic()
"""float32, operation by operation: what figures are compared with."""


def compiles(choice: str, device: str) -> bool:
    """Whether models are compiled on `device`; with "auto" they are where it pays: on GPUs."""
    return device.startswith("cuda") if choice == "auto" else choice == "on"


def full_precision() -> None:
    """Keep float32 at float32 on GPUs, and the choice of convolutions the same from run to run."""
    import torch  # here, because a plan needs no torch

    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cudnn.benchmark = False
    torch.backends.cudnn.deterministic = True
