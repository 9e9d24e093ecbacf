"""The floor: the time of an image's convolutions, matrix products and attention with nothing in between."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reference_model import LatentDiffusion
from reference_model.attention import CrossAttention
from reference_model.autoencoder import AttnBlock
from reference_model.computation import HALVES
from sdbench.tools.bench.clock import Work, interleaved
from sdbench.tools.bench.machine import Bench

__all__ = ["captured", "floor_seconds"]


@dataclass(frozen=True)
class _Call:
    """A layer and the shape of its input; `other` is the shape of the sequence that attention attends to."""

    kind: str
    settings: tuple[Any, ...]
    shape: tuple[int, ...]
    other: tuple[int, ...] = ()


@torch.inference_mode()
def floor_seconds(model: LatentDiffusion, bench: Bench, x: Tensor, context: Tensor) -> float:
    """Return the seconds of a batch: each distinct call timed alone in its faster memory layout, summed."""
    timesteps = torch.full((len(x),), 500, device=x.device)
    with _noted(model.unet) as evaluation:
        model.denoise(x, timesteps, torch.cat([context, context]))
    with _noted(model.first_stage_model) as decoding:
        model.decode(x)
    counts = Counter({call: n * (bench.steps + 1) for call, n in evaluation.items()}) + decoding
    dtype = HALVES.get(bench.precision, torch.float32)
    bench.say(f"floor: {len(counts)} kinds of calls")
    with _fastest_kernels():
        return sum(n * _fastest(call, bench, dtype) for call, n in counts.items())


@contextmanager
def _noted(module: nn.Module) -> Iterator[Counter[_Call]]:
    calls: Counter[_Call] = Counter()

    def note(layer: nn.Module, inputs: tuple[Any, ...]) -> None:
        shape = tuple(inputs[0].shape)
        if isinstance(layer, nn.Conv2d):
            sizes = (layer.in_channels, layer.out_channels, *layer.kernel_size, layer.stride, layer.padding)
            calls[_Call("conv", sizes, shape)] += 1
        elif isinstance(layer, nn.Linear):
            calls[_Call("linear", (layer.in_features, layer.out_features), shape)] += 1
        elif isinstance(layer, CrossAttention):
            other = shape if len(inputs) == 1 else tuple(inputs[1].shape)
            calls[_Call("attention", (layer.heads, layer.to_q.out_features), shape, other)] += 1
        elif isinstance(layer, AttnBlock):
            flat = (shape[0], shape[2] * shape[3], shape[1])
            calls[_Call("attention", (1, shape[1]), flat, flat)] += 1

    hooks = [layer.register_forward_pre_hook(note) for layer in module.modules()]
    try:
        yield calls
    finally:
        for hook in hooks:
            hook.remove()


def _fastest(call: _Call, bench: Bench, dtype: torch.dtype) -> float:
    options: dict[str, Any] = {"device": bench.device, "dtype": dtype}
    plain = _works(call, options)  # keeps the tensors alive: a captured graph holds no reference to them
    repeated, repeats = (captured, 20) if bench.device == "cuda" else (_looped, 2)
    works = {name: repeated(work, repeats) for name, work in plain.items()}
    timings = interleaved(works, 3, lambda _: None)
    return min(min(timing.seconds) for timing in timings.values()) / repeats


def _looped(work: Work, repeats: int) -> Work:
    def loop() -> None:
        for _ in range(repeats):
            work()

    return loop


def captured(work: Work, repeats: int) -> Work:
    """Capture the repeats as one CUDA graph: neither launching kernels nor waiting for them is timed."""
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        work()  # chooses its kernels, which is not possible during capture
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        _looped(work, repeats)()
    return graph.replay


@contextmanager
def _fastest_kernels() -> Iterator[None]:
    """Let cuDNN time all its convolutions and pick one; runs do not, since the choice could change images."""
    with torch.backends.cudnn.flags(enabled=True, benchmark=True, deterministic=False, allow_tf32=False):
        yield


def _works(call: _Call, options: dict[str, Any]) -> dict[str, Work]:
    if call.kind == "conv":
        inputs, outputs, height, width, stride, padding = call.settings
        layouts = (torch.contiguous_format, torch.channels_last)
        weight = torch.randn(outputs, inputs, height, width, **options)
        given = torch.randn(call.shape, **options)
        pairs: list[Any] = [(given.to(memory_format=f), weight.to(memory_format=f)) for f in layouts]
        return {str(i): partial(F.conv2d, *p, None, stride, padding) for i, p in enumerate(pairs)}
    if call.kind == "linear":
        given, weight = torch.randn(call.shape, **options), torch.randn(call.settings[::-1], **options)
        return {"": lambda: F.linear(given, weight)}
    heads, channels = call.settings
    q, k = (torch.randn(s[0], heads, s[1], channels // heads, **options) for s in (call.shape, call.other))
    return {"": lambda: F.scaled_dot_product_attention(q, k, k)}
