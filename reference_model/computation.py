"""In which precision a network computes, and whether it is compiled: the same modules, other settings."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor, nn

from reference_model.layers import GroupNorm

__all__ = ["HALVES", "PRECISIONS", "computed", "use_norm_kernel"]

HALVES = {"fp16": torch.float16, "bf16": torch.bfloat16}
PRECISIONS = ("full", "autocast", *HALVES)

Network = Callable[..., Tensor]


def computed(
    module: nn.Module, network: Network, precision: str, *, compiled: bool, exact: tuple[int, ...] = ()
) -> Network:
    """``network``, a method of ``module``, as a function of float32 that computes otherwise inside.

    precision: "full" float32; "fp16", "bf16" convert the module's weights; "autocast" keeps them and lets
    torch choose for each operation between float32 and bfloat16, on every device.
    Inputs at the places ``exact`` keep their type: half precision cannot count to 1000. ``compiled``: by
    torch.compile, with CUDA graphs on a GPU, once for each shape; the module's weights may change in place.
    """
    dtype = HALVES.get(precision)
    device = next(module.parameters()).device.type
    if dtype is not None:
        module.to(dtype)
    if compiled:
        module.to(memory_format=torch.channels_last)
        # Beyond its limit torch runs the network uncompiled, without an error.
        torch._dynamo.config.recompile_limit = 256
        if device == "cuda":
            use_norm_kernel(module)
        network = torch.compile(
            network, dynamic=False, mode="reduce-overhead" if device == "cuda" else "default"
        )
    elif precision == "full":
        return network

    def run(*inputs: Tensor) -> Tensor:
        if compiled:
            torch.compiler.cudagraph_mark_step_begin()
        given = [x if i in exact or dtype is None else x.to(dtype) for i, x in enumerate(inputs)]
        with _autocast(device, precision):
            # A copy where it is compiled: the next call of a CUDA graph writes over what this one returns.
            return network(*given).to(torch.float32, copy=compiled)

    return run


def use_norm_kernel(module: nn.Module) -> None:
    """Let compiled networks compute the group norms of ``module`` by `group_norm`, where torch has Triton."""
    try:
        from reference_model.group_norm import group_norm
    except ImportError:
        return
    for layer in module.modules():
        if isinstance(layer, GroupNorm):
            layer.when_compiled = group_norm


def _autocast(device: str, precision: str) -> AbstractContextManager[object]:
    return torch.autocast(device, torch.bfloat16) if precision == "autocast" else nullcontext()
