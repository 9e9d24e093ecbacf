"""Precision and compilation of a network: the same modules under other settings."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn

from reference_model.group_norm import group_norm
from reference_model.layers import GroupNorm

__all__ = ["HALVES", "PRECISIONS", "computed", "use_tiled_norms"]

HALVES = {"fp16": torch.float16, "bf16": torch.bfloat16}
PRECISIONS = ("full", "autocast", *HALVES)

GPU_OPTIONS: dict[str, Any] = {
    "triton.cudagraphs": True,  # replay a network as one graph instead of launching its kernels one by one
    "deterministic": True,  # choose kernels without timing them, so that two runs choose the same ones
}

Network = Callable[..., Tensor]


def computed(
    module: nn.Module, network: Network, precision: str, *, compiled: bool, exact: tuple[int, ...] = ()
) -> Network:
    """Wrap ``network``: float32 in and out, ``precision`` inside.

    Args:
        module: the module that holds the weights, which may change in place later.
        network: a method of ``module``.
        precision: "full" is float32; "fp16" and "bf16" convert the module's weights; "autocast" keeps them
            and lets torch choose float32 or bfloat16 for each operation, on every device.
        compiled: whether to use torch.compile, once per input shape, with CUDA graphs on a GPU.
        exact: positions of inputs that keep their type: half precision would round timesteps.
    """
    dtype = HALVES.get(precision)
    device = next(module.parameters()).device.type
    if dtype is not None:
        module.to(dtype)
    if compiled:
        module.to(memory_format=torch.channels_last)
        # Past this limit, torch silently runs the network uncompiled.
        torch._dynamo.config.recompile_limit = 256
        if device == "cuda":
            use_tiled_norms(module)
        network = torch.compile(network, dynamic=False, options=GPU_OPTIONS if device == "cuda" else None)
    elif precision == "full":
        return network

    def run(*inputs: Tensor) -> Tensor:
        if compiled:
            torch.compiler.cudagraph_mark_step_begin()
        given = [x if i in exact or dtype is None else x.to(dtype) for i, x in enumerate(inputs)]
        with _autocast(device, precision):
            # Copy if compiled: the next call of a CUDA graph overwrites this output.
            return network(*given).to(torch.float32, copy=compiled)

    return run


def use_tiled_norms(module: nn.Module) -> None:
    """Make compiled networks compute the group norms of ``module`` by `group_norm`."""
    for layer in module.modules():
        if isinstance(layer, GroupNorm):
            layer.when_compiled = group_norm


def _autocast(device: str, precision: str) -> AbstractContextManager[object]:
    return torch.autocast(device, torch.bfloat16) if precision == "autocast" else nullcontext()
