"""Encoded prompts to pixels: our model against a diffusers pipeline with the same weights."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from reference_model import LatentDiffusion
from reference_model.noise import start_noise
from reference_model.pipeline import sample, to_pixels
from sdbench.core.errors import InputError
from sdbench.tools.bench.clock import Timing, Work, interleaved
from sdbench.tools.bench.floor import floor_seconds
from sdbench.tools.bench.machine import SCALE, UNCOMPILED, Bench, LeftOut, build_model, setting_name
from sdbench.tools.bench.peer import build_pipeline
from sdbench.tools.bench.rows import Row, rows_of

__all__ = ["SharedInputs", "compile_pipeline", "large", "sampling_rows", "single", "single_compiled"]

CONTEXT_LENGTH = 77
"""Tokens of a prompt in Stable Diffusion v1."""

OURS, THEIRS = "sdbench", "diffusers"


def large(bench: Bench) -> list[Row]:
    """Time batches of the size that sweeps use."""
    return _batch(bench, bench.large, (False, True) if bench.compiled else (False,))


def single(bench: Bench) -> list[Row]:
    """Time one image at a time, uncompiled."""
    return _batch(bench, bench.small, (False,))


def single_compiled(bench: Bench) -> list[Row]:
    """Time one image at a time, compiled: minutes of compiling for times that no sweep depends on."""
    if not bench.compiled:
        raise LeftOut(UNCOMPILED)
    return _batch(bench, bench.small, (True,))


class SharedInputs:
    """The noise and the encoded prompts, the same for all tools."""

    def __init__(self, model: LatentDiffusion, bench: Bench, size: int) -> None:
        self.bench = bench
        shape = model.config.latent_shape(bench.image_size, bench.image_size)
        self.x = torch.stack([start_noise(0, str(i), shape) for i in range(size)]).to(bench.device)
        self.context, self.empty = _contexts(model, bench, size)

    def ours(self, model: LatentDiffusion) -> Work:
        """Return a workload of the reference model, up to 8-bit pixels on the CPU."""

        def work() -> np.ndarray:
            context, empty, steps = self.context, self.empty, self.bench.steps
            images = sample(model, context, empty, self.x, steps=steps, guidance_scale=SCALE)
            return to_pixels(images).cpu().numpy()

        return work

    def theirs(self, pipeline: Any) -> Work:
        """Return a workload of the pipeline; pixels are truncated to 8 bits on the device, like ours."""

        def work() -> np.ndarray:
            dtype = pipeline.unet.dtype
            with torch.inference_mode():
                images = pipeline(
                    prompt_embeds=self.context.to(dtype),
                    negative_prompt_embeds=self.empty.expand_as(self.context).to(dtype),
                    latents=self.x.to(dtype),
                    num_inference_steps=self.bench.steps,
                    guidance_scale=SCALE,
                    output_type="pt",
                ).images
                pixels = (255 * images.float()).to(torch.uint8)
            return pixels.permute(0, 2, 3, 1).contiguous().cpu().numpy()

        return work


def _contexts(model: LatentDiffusion, bench: Bench, size: int) -> tuple[Tensor, Tensor]:
    """Encode prompts; for random weights, draw contexts, which needs no vocabulary or package."""
    if bench.device == "cpu":
        prompts = [f"a red circle and {i} blue squares" for i in range(size)]
        return model.encode_prompts(prompts), model.encode_prompts([""])
    random = torch.Generator().manual_seed(0)
    shape = (size + 1, CONTEXT_LENGTH, model.config.unet.context_dim)
    context = torch.randn(shape, generator=random).to(bench.device)
    return context[1:], context[:1]


def compile_pipeline(pipeline: Any, device: str) -> None:
    """Compile the pipeline as we compile: once per shape, in channels_last, with CUDA graphs on a GPU."""
    how: dict[str, Any] = {"dynamic": False, "mode": "reduce-overhead" if device == "cuda" else "default"}
    pipeline.unet.to(memory_format=torch.channels_last).compile(**how)
    pipeline.vae.to(memory_format=torch.channels_last)
    pipeline.vae.decode = torch.compile(pipeline.vae.decode, **how)


def _batch(bench: Bench, size: int, modes: tuple[bool, ...]) -> list[Row]:
    exact = build_model(bench)
    inputs = SharedInputs(exact, bench, size)
    works: dict[str, Work] = {}
    for compiled in modes:
        name = setting_name(bench.precision, compiled=compiled)
        model = build_model(bench)
        model.compute_in(bench.precision, compiled=compiled)
        works[f"{OURS} {name}"] = inputs.ours(model)
        try:
            pipeline = build_pipeline(exact, bench.precision)
        except InputError as error:
            bench.say(f"sampling: without {THEIRS}: {error}")
            continue
        if compiled:
            compile_pipeline(pipeline, bench.device)
        works[f"{THEIRS} {name}"] = inputs.theirs(pipeline)
    others = [name for name in works if name.startswith(THEIRS)]
    timings = interleaved(works, bench.rounds, bench.say, others=others)
    floor = floor_seconds(exact, bench, inputs.x, inputs.context) / size
    return sampling_rows(f"sampling, batches of {size}", size, timings, floor)


def sampling_rows(what: str, size: int, timings: Mapping[str, Timing], floor: float) -> list[Row]:
    """Return rows with ratios to the fastest diffusers row, pixels compared with the first, and a floor."""
    theirs = [name for name in timings if name.startswith(THEIRS)]
    fastest = min(theirs, key=lambda name: timings[name].median, default="")
    notes = {
        name: f"pixels against {first}: {_levels(timing.output, timings[first].output)}"
        for first in theirs[:1]
        for name, timing in timings.items()
        if name != first
    }
    rows = rows_of(what, "image", size, timings, against=fastest, notes=notes)
    best = min(row.seconds for row in rows if row.name.startswith(OURS))
    note = f"convolutions, matrix products and attention alone: {floor / best:.0%} of our best"
    return [*rows, Row(what, "floor", "image", floor, note=note)]


def _levels(ours: Any, theirs: Any) -> str:
    apart = np.abs(ours.astype(int) - theirs)
    return f"{(apart > 0).mean():.2%} differ, by {apart.max()} levels at most"
