"""Encoded prompts to pixels: our settings beside diffusers' pipeline with the same weights."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from reference_model import LatentDiffusion
from reference_model.noise import start_noise
from reference_model.pipeline import sample, to_pixels
from sdbench.bench.clock import Work, interleaved
from sdbench.bench.floor import floor_seconds
from sdbench.bench.machine import Bench, build_model
from sdbench.bench.norms import norm_rows
from sdbench.bench.peer import build_pipeline
from sdbench.bench.rows import Row, rows_of

__all__ = ["Inputs", "measure"]

SCALE = 7.5


def measure(bench: Bench) -> list[Row]:
    """Large batches, as sweeps run them; then one image at a time, on a CPU without compiling once more.

    On a GPU the kernel for compiled group norms follows, alone.
    """
    logging.getLogger("diffusers").setLevel(logging.ERROR)
    alone = replace(bench, compiled=bench.compiled and bench.device == "cuda")
    norms = norm_rows(alone) if alone.compiled else []
    return [*_batch(bench, bench.large), *_batch(alone, bench.small), *norms]


class Inputs:
    """The same noise and the same contexts for everyone."""

    def __init__(self, model: LatentDiffusion, bench: Bench, size: int) -> None:
        self.bench = bench
        shape = model.config.latent_shape(bench.image_size, bench.image_size)
        self.x = torch.stack([start_noise(0, str(i), shape) for i in range(size)]).to(bench.device)
        prompts = [f"a red circle and {i} blue squares" for i in range(size)]
        self.context, self.empty = model.encode_prompts(prompts), model.encode_prompts([""])

    def ours(self, model: LatentDiffusion) -> Work:
        """The reference model, to 8-bit pixels on the CPU."""

        def work() -> np.ndarray:
            context, empty, steps = self.context, self.empty, self.bench.steps
            images = sample(model, context, empty, self.x, steps=steps, guidance_scale=SCALE)
            return to_pixels(images).cpu().numpy()

        return work

    def theirs(self, pipeline: Any) -> Work:
        """The pipeline, to 8-bit pixels on the CPU; truncated as ours are."""

        def work() -> np.ndarray:
            dtype = pipeline.unet.dtype
            with torch.inference_mode():
                images = pipeline(
                    prompt_embeds=self.context.to(dtype),
                    negative_prompt_embeds=self.empty.expand_as(self.context).to(dtype),
                    latents=self.x.to(dtype),
                    num_inference_steps=self.bench.steps,
                    guidance_scale=SCALE,
                    output_type="np",
                ).images
            return (255 * images).astype(np.uint8)

        return work


def _batch(bench: Bench, size: int) -> list[Row]:
    exact = build_model(bench)
    inputs = Inputs(exact, bench, size)
    works: dict[str, Work] = {}
    for compiled in (False, True) if bench.compiled else (False,):
        name = f"{bench.precision}, {'compiled' if compiled else 'eager'}"
        model = build_model(bench)
        model.compute_in(bench.precision, compiled=compiled)
        works[f"sdbench {name}"] = inputs.ours(model)
        pipeline = build_pipeline(exact, bench.precision)
        if compiled:
            pipeline.unet.to(memory_format=torch.channels_last).compile()
            pipeline.vae.to(memory_format=torch.channels_last)
            pipeline.vae.decode = torch.compile(pipeline.vae.decode)
        works[f"diffusers {name}"] = inputs.theirs(pipeline)
    against = f"diffusers {bench.precision}, eager"
    timings = interleaved(works, bench.rounds, bench.say)
    theirs = works[against]()
    notes = {name: _levels(work(), theirs) for name, work in works.items() if name != against}
    rows = rows_of(f"sampling, batches of {size}", "image", size, timings, against=against, notes=notes)
    best = min(row.seconds for row in rows if row.name.startswith("sdbench"))
    floor = floor_seconds(exact, bench, inputs.x, inputs.context) / size
    note = f"convolutions, products and attention alone: {floor / best:.0%} of our best"
    return [*rows, Row(rows[0].what, "floor", "image", floor, note=note)]


def _levels(ours: Any, theirs: Any) -> str:
    apart = np.abs(ours.astype(int) - theirs)
    return f"pixels: {(apart > 0).mean():.2%} differ, by {apart.max()} levels at most"
