"""An engine with planted changes, for benchmarks/compare_table.py: the embedded family's last checkpoint.

Each change makes images of the same captions from the same noise.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from reference_model import LatentDiffusion, load_checkpoint, shapes
from reference_model.guidance import Denoise, guided
from reference_model.noise import start_noise
from reference_model.pipeline import to_pixels
from reference_model.samplers import SAMPLERS
from sdbench.core.precision import compile_obstacle

SIZE, STEPS, SCALE, SEED, BATCH = 64, 10, 7.0, 42, 64
THREADS = 1
"""Threads of an engine, since processes run side by side."""


@dataclass
class Engine:
    """The embedded model behind the switches that engines get wrong."""

    model: LatentDiffusion
    scale: float = SCALE
    offset: int = 0
    guided_share: float = 1.0
    batch: int = BATCH
    noise_factor: float = 1.0
    decode_factor: float = 1.0
    encode: Callable[[LatentDiffusion, list[str]], Tensor] = LatentDiffusion.encode_prompts
    seed: int = SEED
    steps: int = STEPS
    threads: int = THREADS
    in_reverse: bool = False
    in_two_calls: bool = False
    backend: SDPBackend | None = None

    @torch.inference_mode()
    def images(self, prompts: list[str], start: int) -> np.ndarray:
        """Images uint8 [n, 64, 64, 3] of the prompts, whose noise is numbered from `start` on."""
        torch.set_num_threads(self.threads)
        order = list(range(len(prompts)))[:: -1 if self.in_reverse else 1]
        parts = []
        for first in range(0, len(order), self.batch):
            chosen = order[first : first + self.batch]
            texts, noise = [prompts[index] for index in chosen], self._noise(chosen, start)
            if self.backend is None:
                parts.append(self._sampled(texts, noise))
            else:
                with sdpa_kernel(self.backend):
                    parts.append(self._sampled(texts, noise))
        return np.concatenate(parts)[order]

    def _noise(self, indices: list[int], start: int) -> Tensor:
        shape = self.model.config.latent_shape(SIZE, SIZE)
        return self.noise_factor * torch.stack(
            [start_noise(self.seed, str(start + index), shape) for index in indices]
        )

    def _sampled(self, texts: list[str], x: Tensor) -> np.ndarray:
        sampler = SAMPLERS["ddim"]
        grid = sampler.grid(self.model.schedule, self.steps, 0.0)
        grid = replace(grid, timesteps=grid.timesteps - self.offset)
        full, plain = self._denoisers(texts)
        calls = 0

        def denoise(x: Tensor, t: Tensor) -> Tensor:
            nonlocal calls
            calls += 1
            return full(x, t) if calls <= self.guided_share * self.steps else plain(x, t)

        for step in sampler.run(denoise, x, grid, None):
            x = step.x
        images = self.model.decode(x * self.decode_factor)
        finite = torch.isfinite(images).flatten(1).all(dim=1)
        return to_pixels(torch.where(finite[:, None, None, None], images, -1.0)).numpy()

    def _denoisers(self, texts: list[str]) -> tuple[Denoise, Denoise]:
        """Return the denoisers with and without guidance."""
        context, empty = self.encode(self.model, texts), self.encode(self.model, [""])
        plain = guided(self.model.denoise, context, empty, 1.0)
        if not self.in_two_calls:
            return guided(self.model.denoise, context, empty, self.scale, shared=True), plain
        without = guided(self.model.denoise, empty.expand_as(context), empty, 1.0)
        return lambda x, t: (1 - self.scale) * without(x, t) + self.scale * plain(x, t), plain


Change = Callable[[Engine], Engine]


def in_low_precision(part: Callable[[LatentDiffusion], list[nn.Module]], dtype: torch.dtype) -> Change:
    """Modules that compute in another type, with float32 in and out."""

    def plant(engine: Engine) -> Engine:
        model = copy.deepcopy(engine.model)
        for module in part(model):
            module.to(dtype)
            inner = module.forward

            def forward(*inputs: Tensor | None, inner: Callable[..., Tensor] = inner) -> Tensor:
                return inner(*(i if i is None else i.to(dtype) for i in inputs)).float()

            module.forward = forward
        return replace(engine, model=model)

    return plant


def attentions(model: LatentDiffusion) -> list[nn.Module]:
    return [module for name, module in model.unet.named_modules() if name.endswith(("attn1", "attn2"))]


def decoder(model: LatentDiffusion) -> list[nn.Module]:
    return [model.first_stage_model.post_quant_conv, model.first_stage_model.decoder]


def rounded_layers(part: Callable[[LatentDiffusion], list[nn.Module]], dtype: torch.dtype) -> Change:
    """Weights and the output of every layer rounded to another type: a CPU has no fast convolutions in it."""

    def plant(engine: Engine) -> Engine:
        model = copy.deepcopy(engine.model)
        for module in part(model):
            for weight in module.parameters():
                weight.data = weight.data.to(dtype).float()
            for layer in module.modules():
                layer.register_forward_hook(lambda layer, inputs, output: output.to(dtype).float())
        return replace(engine, model=model)

    return plant


def rounded_weights(bits: int, per_row: bool) -> Change:
    """The UNet's matrices as integers of so many bits, with a scale per row or per tensor."""

    def plant(engine: Engine) -> Engine:
        model = copy.deepcopy(engine.model)
        top = 2 ** (bits - 1) - 1
        for module in model.unet.modules():
            if isinstance(module, nn.Linear | nn.Conv2d):
                flat = module.weight.data.flatten(1)
                step = (flat.abs().amax(dim=1, keepdim=True) if per_row else flat.abs().max()) / top
                module.weight.data = (torch.round(flat / step) * step).view_as(module.weight)
        return replace(engine, model=model)

    return plant


def low_rank(strength: float) -> Change:
    """A random update of rank 4 on every attention projection, relative to the weights' own norm."""

    def plant(engine: Engine) -> Engine:
        model, random = copy.deepcopy(engine.model), torch.Generator().manual_seed(5)
        for block in attentions(model):
            for module in block.modules():
                if isinstance(module, nn.Linear):
                    rows, columns = module.weight.shape
                    update = torch.randn(rows, 4, generator=random) @ torch.randn(
                        4, columns, generator=random
                    )
                    module.weight.data += strength * update * module.weight.norm() / update.norm()
        return replace(engine, model=model)

    return plant


def compiled(engine: Engine) -> Engine:
    """The UNet through torch.compile."""
    model = copy.deepcopy(engine.model)
    model.unet.compile(dynamic=False)
    return replace(engine, model=model)


def channels_last(engine: Engine) -> Engine:
    """Another memory layout, and so another order of additions."""
    model = copy.deepcopy(engine.model)
    model.unet.to(memory_format=torch.channels_last)
    return replace(engine, model=model)


def truncated(model: LatentDiffusion, texts: list[str]) -> Tensor:
    """Lose the last token of every prompt: the end token moves one place forward."""
    tokens = model.tokenizer(texts)
    end = tokens.argmax(dim=1)
    for row, place in enumerate(end.tolist()):
        if place > 1:
            tokens[row, place - 1] = tokens[row, place]
    return model.cond_stage_model(tokens)


def half_pixel(images: np.ndarray) -> np.ndarray:
    """Bilinear resampling on a grid that is off by half a pixel."""
    wide = np.pad(images, [(0, 0), (0, 1), (0, 1), (0, 0)], mode="edge").astype(np.float32)
    mean = (wide[:, :-1, :-1] + wide[:, 1:, :-1] + wide[:, :-1, 1:] + wide[:, 1:, 1:]) / 4
    return np.round(mean).astype(np.uint8)


def one_swapped(images: np.ndarray) -> np.ndarray:
    """The first two prompts get each other's image."""
    return images[[1, 0, *range(2, len(images))]]


def some_black(images: np.ndarray) -> np.ndarray:
    """One image in a hundred is black, at least one."""
    changed = images.copy()
    changed[5::100] = 0
    return changed


CHANGES: dict[str, Change] = {
    "attention in bf16": in_low_precision(attentions, torch.bfloat16),
    "VAE decoder in fp16": rounded_layers(decoder, torch.float16),
    "int8 weights, a scale per row": rounded_weights(8, per_row=True),
    "int4 weights, a scale per row": rounded_weights(4, per_row=True),
    "scheduler offset 0 for 1": lambda engine: replace(engine, offset=1),
    "guidance 7.5 for 7.0": lambda engine: replace(engine, scale=7.5),
    "guidance in the first half of the steps only": lambda engine: replace(engine, guided_share=0.5),
    "prompts lose their last token": lambda engine: replace(engine, encode=truncated),
    "latents scaled by 1% too much": lambda engine: replace(engine, decode_factor=1.01),
    "starting noise 5% too large": lambda engine: replace(engine, noise_factor=1.05),
    "rank-4 update of attention, 5%": low_rank(0.05),
    "rank-4 update of attention, 30%": low_rank(0.3),
    "other starting noise": lambda engine: replace(engine, seed=SEED + 1),
}

OF_PIXELS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "BGR for RGB": lambda images: images[..., ::-1].copy(),
    "resize off by half a pixel": half_pixel,
    "two prompts get each other's image": one_swapped,
    "1% black images": some_black,
}
"""Changes after the engine: they reuse its images."""

HARMLESS: dict[str, Change] = {
    "batches of 16": lambda engine: replace(engine, batch=16),
    "batches of 7": lambda engine: replace(engine, batch=7),
    "attention without the fused kernel": lambda engine: replace(engine, backend=SDPBackend.MATH),
    "channels last": channels_last,
    "two threads": lambda engine: replace(engine, threads=2),
    "prompts in reverse order": lambda engine: replace(engine, batch=5, in_reverse=True),
    "guidance in two calls": lambda engine: replace(engine, in_two_calls=True),
}
if compile_obstacle("cpu") is None:
    HARMLESS["torch.compile"] = compiled

ENGINES: dict[str, Change] = {"unchanged": lambda engine: engine, **HARMLESS, **CHANGES}


def engine() -> Engine:
    """The unchanged engine."""
    return Engine(load_checkpoint(shapes.CHECKPOINTS["shapes-v1-4"], shapes.CONFIG))
