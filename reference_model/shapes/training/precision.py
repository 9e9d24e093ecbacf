"""Which numbers training multiplies: bfloat16 where the device is built for it, float32 elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel

__all__ = ["mixed_precision", "products"]


def products(device: str) -> torch.dtype:
    """Return bfloat16 for GPUs and for processors with AMX (Intel's matrix instructions), else float32."""
    fast = device.startswith("cuda") or torch.cpu._is_amx_tile_supported()
    return torch.bfloat16 if fast else torch.float32


@contextmanager
def mixed_precision(device: str) -> Iterator[None]:
    """Let modules multiply numbers of type `products(device)`; weights, norms and losses stay float32."""
    with ExitStack() as stack:
        if products(device) is torch.bfloat16:
            kind = torch.device(device).type
            stack.enter_context(torch.autocast(kind, torch.bfloat16))
            if kind == "cpu":  # the fused attention's backward pass takes longer than all the rest of a step
                stack.enter_context(sdpa_kernel(SDPBackend.MATH))
        yield
