"""`img2img`: variations of a picture."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image
from torch import Tensor

from reference_model import LatentDiffusion
from reference_model.image_to_image import encode_init, image_tensor, rounded_down, steps_to_run, vary
from sdbench.errors import InputError, one_line
from sdbench.precision import full_precision
from sdbench.progress import ImageProgress
from sdbench.provenance import best_device
from sdbench.scripts.arguments import IMG2IMG_OUTDIR
from sdbench.scripts.loop import Outcome, within_memory, write_images
from sdbench.scripts.model import model_source, open_model, precision_scope
from sdbench.scripts.noise import BatchNoise
from sdbench.scripts.prompts import prompt_batches
from sdbench.scripts.settings import Img2ImgSettings
from sdbench.scripts.surprises import about_image, about_prompts, about_strength, fitting_size

__all__ = ["image_to_image"]

MULTIPLE = 32
"""The original resizes pictures to multiples of this, which the UNet may not be able to halve."""


def image_to_image(
    settings: Img2ImgSettings, progress: ImageProgress, posterior_noise: Tensor | None = None
) -> Outcome:
    """Carry out the command; InputError in one line where the input cannot be used.

    `posterior_noise` [n_samples, C, h, w] is what the picture's latents are sampled with; None draws it from
    a CPU generator with the seed. (The original's comes after random weights and cannot be had again.)
    """
    progress.notes(about_image(settings))
    batches = prompt_batches(settings)
    progress.notes(about_prompts(settings, batches))
    picture = _open(settings.init_img)
    source = model_source(settings.ckpt, settings.config)

    full_precision()
    device = best_device()
    model = open_model(source, settings, device, progress)
    with within_memory("--init-img"):
        images = _init_images(picture, model, progress)
        sample = _ImageSampler(model, settings, device, images, posterior_noise, progress)
        return write_images(settings, settings.outdir or IMG2IMG_OUTDIR, batches, sample, device, progress)


def _open(path: str) -> Image.Image:
    try:
        with Image.open(Path(path).expanduser()) as image:
            return image.convert("RGB")
    except (OSError, ValueError, Image.DecompressionBombError) as error:
        raise InputError(
            f"--init-img {path}: {one_line(getattr(error, 'strerror', None) or error)}"
        ) from None


def _init_images(picture: Image.Image, model: LatentDiffusion, progress: ImageProgress) -> Tensor:
    """The picture as [1, 3, H, W], of a size that the original makes, or the next smaller one that works."""
    multiple = model.config.side_multiple
    size = rounded_down(picture.size, MULTIPLE)
    if 0 in size or size != rounded_down(size, multiple):
        size, lines = fitting_size(picture.size, multiple, "--init-img")
        progress.notes(lines)
    return image_tensor(picture, size)


class _ImageSampler:
    """Prompts of a batch -> variations, with noise drawn in the original's order."""

    def __init__(
        self,
        model: LatentDiffusion,
        settings: Img2ImgSettings,
        device: str,
        images: Tensor,
        posterior_noise: Tensor | None,
        progress: ImageProgress,
    ) -> None:
        self._model = model
        self._settings = settings
        self._device = device
        try:
            grid = model.schedule.grid(settings.ddim_steps, settings.ddim_eta)
        except ValueError as error:
            raise InputError(f"--ddim_steps: {error}") from None
        progress.notes(about_strength(settings, len(grid.timesteps)))
        height, width = images.shape[-2:]
        shape = (settings.n_samples, *model.config.latent_shape(height, width))
        self._noise = BatchNoise(settings.seed, device, shape)
        if posterior_noise is None:
            # On a CPU both come from one generator, or the same numbers would be drawn twice.
            on_cpu = self._noise if device == "cpu" else BatchNoise(settings.seed, "cpu", shape)
            posterior_noise = on_cpu()
        self._z = encode_init(model, images.expand(settings.n_samples, -1, -1, -1), posterior_noise)

    def __call__(self, prompts: list[str], on_step: Callable[[int, int], None]) -> np.ndarray:
        size, settings = len(prompts), self._settings
        drawn = self._noise.drawn
        with precision_scope(settings.precision, self._device):
            images = vary(
                self._model,
                self._model.encode_prompts(prompts),
                self._model.encode_prompts([""]),
                self._z[:size],
                strength=settings.strength,
                draw=lambda: self._noise()[:size],
                steps=settings.ddim_steps,
                guidance_scale=settings.scale,
                eta=settings.ddim_eta,
                on_step=on_step,
            )
        # One tensor to noise the latents with and one a step, even where it is multiplied by 0.
        self._noise.advance_to(drawn + 1 + steps_to_run(settings.strength, settings.ddim_steps))
        return images.cpu().numpy()
