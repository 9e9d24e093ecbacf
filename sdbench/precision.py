"""The arithmetic that every command computes in."""

from __future__ import annotations

import torch

__all__ = ["full_precision"]


def full_precision() -> None:
    """Keep float32 at float32 on GPUs, and the choice of convolutions the same from run to run."""
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cudnn.benchmark = False
    torch.backends.cudnn.deterministic = True
