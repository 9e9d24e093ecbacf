"""Generate images from prompts, or from their context and start noise."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypedDict, Unpack

import torch
from torch import Tensor

from reference_model.guidance import guided
from reference_model.guidance_log import ScaleLog
from reference_model.guidance_methods import Guidance, guided_by
from reference_model.latent_diffusion import LatentDiffusion
from reference_model.noise import StepNoise, start_noise
from reference_model.samplers import SAMPLERS, Draw, Sampler

__all__ = ["Sampling", "generate", "generate_images", "sample", "sample_latents", "to_pixels"]


class Sampling(TypedDict, total=False):
    """How to sample: the keyword arguments of `sample_latents`, which says what they mean."""

    sampler: str | Sampler
    steps: int
    guidance_scale: float
    guidance: Guidance | None
    scale_log: ScaleLog | None
    eta: float
    step_noise: Draw | None
    on_step: Callable[[int, int], None] | None


def to_pixels(images: Tensor) -> Tensor:
    """Images [B, 3, H, W] in [-1, 1] -> uint8 [B, H, W, 3].

    Values are clamped, scaled by 255 and truncated (not rounded), as the original script does.

    Raises:
        ValueError: a value is not finite and so has no pixel.
    """
    if not torch.isfinite(images).all():
        raise ValueError("the decoded images hold values that are not finite")
    scaled = 255.0 * ((images + 1.0) / 2.0).clamp(0.0, 1.0)
    return scaled.to(torch.uint8).permute(0, 2, 3, 1).contiguous()


@torch.inference_mode()
def sample_latents(
    model: LatentDiffusion,
    context: Tensor,
    uncond_context: Tensor,
    x_T: Tensor,  # noqa: N803 - the field's name for the start noise
    *,
    sampler: str | Sampler = "plms",
    steps: int = 50,
    guidance_scale: float = 7.5,
    guidance: Guidance | None = None,
    scale_log: ScaleLog | None = None,
    eta: float = 0.0,
    step_noise: Draw | None = None,
    on_step: Callable[[int, int], None] | None = None,
) -> Tensor:
    """Sample a batch -> latents [B, C, h, w], on the model's device.

    Shapes: context [B, L, D]; uncond_context [1, L, D] or [B, L, D]; x_T [B, C, h, w]. ``sampler`` is a name
    in ``SAMPLERS`` or a `Sampler`. ``guidance`` replaces plain classifier-free guidance; ``scale_log`` then
    records the plain scale that each call amounts to. Only stochastic samplers call ``step_noise``.
    ``on_step`` is called with (steps done, total steps) after each step.

    Raises:
        KeyError: the sampler is unknown.
        ValueError: the sampler does not support these steps or this eta.
    """
    if isinstance(sampler, str):
        sampler = SAMPLERS[sampler]
    grid = sampler.grid(model.schedule, steps, eta)
    # Move them to the device once: a copy at each step would wait for the GPU.
    path = replace(grid, timesteps=grid.timesteps.to(model.device))
    predict = model.for_walk()
    if guidance is None:
        denoise = guided(predict, context, uncond_context, guidance_scale, shared=True)
    else:
        denoise = guided_by(
            guidance,
            predict,
            context,
            uncond_context,
            guidance_scale,
            model.schedule,
            grid,
            scale_log,
        )
    # A copy made here is an inference tensor, like all later x: compiled networks are traced once per kind.
    x = x_T.to(model.device, copy=True)
    total = len(grid.timesteps)
    for done, step in enumerate(sampler.run(denoise, x, path, step_noise), start=1):
        x = step.x
        if on_step is not None:
            on_step(done, total)
    return x


@torch.inference_mode()
def sample(
    model: LatentDiffusion,
    context: Tensor,
    uncond_context: Tensor,
    x_T: Tensor,  # noqa: N803
    **how: Unpack[Sampling],
) -> Tensor:
    """Sample a batch like `sample_latents` -> images [B, 3, H, W] in [-1, 1] or a little beyond.

    Raises:
        KeyError, ValueError: as in `sample_latents`.
    """
    return model.decode(sample_latents(model, context, uncond_context, x_T, **how))


def generate(
    model: LatentDiffusion,
    context: Tensor,
    uncond_context: Tensor,
    x_T: Tensor,  # noqa: N803
    **how: Unpack[Sampling],
) -> Tensor:
    """Sample a batch like `sample`, then convert it to pixels: uint8 [B, H, W, 3].

    Raises:
        KeyError, ValueError: as in `sample` and `to_pixels`.
    """
    return to_pixels(sample(model, context, uncond_context, x_T, **how))


def generate_images(
    model: LatentDiffusion,
    prompts: Sequence[str],
    *,
    height: int = 512,
    width: int = 512,
    seed: int = 0,
    sampler: str | Sampler = "plms",
    steps: int = 50,
    guidance_scale: float = 7.5,
    eta: float = 0.0,
) -> Tensor:
    """Generate one image per prompt, as one batch -> uint8 [B, height, width, 3].

    The noise of an image depends on the seed and the prompt, not on the batch; a repeated prompt gets a new
    image each time.

    Raises:
        KeyError, ValueError: as in `generate`; ValueError also for sizes that the model cannot generate.
    """
    prompts = list(prompts)
    shape = model.config.latent_shape(height, width)
    ids = [f"{prompts[:i].count(prompt)} {prompt}" for i, prompt in enumerate(prompts)]
    return generate(
        model,
        model.encode_prompts(prompts),
        model.encode_prompts([""]),
        torch.stack([start_noise(seed, id_, shape) for id_ in ids]),
        sampler=sampler,
        steps=steps,
        guidance_scale=guidance_scale,
        eta=eta,
        step_noise=StepNoise(seed, ids, shape),
    )
