"""Compiled group norm with SiLU: by tiles against torch's own."""

from __future__ import annotations

from functools import partial

import torch
from torch import nn

from reference_model.computation import HALVES, use_tiled_norms
from reference_model.layers import GroupNorm
from sdbench.tools.bench.clock import Work, interleaved
from sdbench.tools.bench.floor import captured
from sdbench.tools.bench.machine import UNCOMPILED, Bench, LeftOut
from sdbench.tools.bench.rows import Row, rows_of

__all__ = ["measure"]

CALLS = 100
SHAPE = (320, 64, 64)
"""Feature maps of the first level of Stable Diffusion v1, whose norms take longest."""


@torch.inference_mode()
def measure(bench: Bench) -> list[Row]:
    """Time the norm of a large batch with both halves of guidance, on a GPU, replayed from CUDA graphs."""
    if bench.device != "cuda":
        raise LeftOut("norms by tiles are for GPUs")
    if not bench.compiled:
        raise LeftOut(UNCOMPILED)
    dtype = HALVES.get(bench.precision, torch.float32)
    x = torch.randn(2 * bench.large, *SHAPE, device=bench.device, dtype=dtype)
    x = x.to(memory_format=torch.channels_last)
    works: dict[str, Work] = {}
    values = {}
    for name in ("sdbench", "torch"):
        block = nn.Sequential(GroupNorm(32, SHAPE[0]), nn.SiLU()).to(bench.device, dtype)
        if name == "sdbench":
            use_tiled_norms(block)
        network = torch.compile(block, dynamic=False)
        values[name] = network(x)
        works[name] = captured(partial(network, x), CALLS)
    apart = float((values["sdbench"] - values["torch"]).abs().max())
    timings = interleaved(works, bench.rounds, bench.say)
    notes = {"sdbench": f"largest difference {apart:.1e}"}
    return rows_of("compiled group norm and SiLU", "call", CALLS, timings, against="torch", notes=notes)
