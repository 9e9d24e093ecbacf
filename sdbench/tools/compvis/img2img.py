"""`img2img`: variations of a picture."""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
from PIL import Image
from torch import Tensor

from reference_model import LatentDiffusion
from reference_model.image_to_image import encode_init, image_tensor, rounded_down, steps_to_run, vary
from sdbench.core.environment import best_device
from sdbench.core.errors import InputError, one_line
from sdbench.core.paths import typed_path
from sdbench.core.precision import full_precision
from sdbench.core.progress import ImageProgress
from sdbench.data.image_sets.decoding import pixels_only
from sdbench.tools.compvis.arguments import IMG2IMG_OUTDIR
from sdbench.tools.compvis.loop import Output, within_memory, write_images
from sdbench.tools.compvis.model import model_source, open_model, precision_scope
from sdbench.tools.compvis.noise import BatchNoise
from sdbench.tools.compvis.prompts import prompt_batches
from sdbench.tools.compvis.settings import Img2ImgOptions
from sdbench.tools.compvis.surprises import about_image, about_prompts, about_strength, fitting_size

__all__ = ["image_to_image"]

MULTIPLE = 32
"""The original rounds sides down to multiples of this, which the UNet may not be able to halve."""


def image_to_image(
    options: Img2ImgOptions, progress: ImageProgress, posterior_noise: Tensor | None = None
) -> Output:
    """Run the command.

    Args:
        options: The parsed flags.
        progress: Shows progress and notes.
        posterior_noise: Noise [n_samples, C, h, w] that the picture's latents are sampled with. None draws it
            from a CPU generator with the seed; the original's cannot be reproduced, because it is drawn after
            random weights.

    Raises:
        InputError: The input cannot be used.
    """
    progress.notes(about_image(options))
    batches = prompt_batches(options)
    progress.notes(about_prompts(options, batches))
    picture = _open(options.init_img)
    source = model_source(options.ckpt, options.config)

    full_precision()
    device = best_device()
    model = open_model(source, options, device, progress)
    with within_memory("--init-img"):
        images = _init_images(picture, model, progress)
        sample = _ImageSampler(model, options, device, images, posterior_noise, progress)
        return write_images(options, options.outdir or IMG2IMG_OUTDIR, batches, sample, device, progress)


def _open(path: str) -> Image.Image:
    try:
        with Image.open(io.BytesIO(pixels_only(typed_path(path).read_bytes()))) as image:
            if image.mode.startswith(("I", "F")):
                raise ValueError(f"has mode {image.mode}; convert it to 8 bits per channel first")
            return image.convert("RGB")
    except (OSError, ValueError, Image.DecompressionBombError) as error:
        raise InputError(
            f"--init-img {path}: {one_line(getattr(error, 'strerror', None) or error)}"
        ) from None


def _init_images(picture: Image.Image, model: LatentDiffusion, progress: ImageProgress) -> Tensor:
    """Return the picture as [1, 3, H, W], in the original's size or the next smaller one that works."""
    multiple = model.config.side_multiple
    size = rounded_down(picture.size, MULTIPLE)
    if 0 in size or size != rounded_down(size, multiple):
        size, lines = fitting_size(picture.size, multiple, "--init-img")
        progress.notes(lines)
    return image_tensor(picture, size)


class _ImageSampler:
    """Turns the prompts of a batch into variations, drawing noise in the original's order."""

    def __init__(
        self,
        model: LatentDiffusion,
        options: Img2ImgOptions,
        device: str,
        images: Tensor,
        posterior_noise: Tensor | None,
        progress: ImageProgress,
    ) -> None:
        self._model = model
        self._options = options
        self._device = device
        try:
            grid = model.schedule.grid(options.ddim_steps, options.ddim_eta)
        except ValueError as error:
            raise InputError(f"--ddim_steps: {error}") from None
        progress.notes(about_strength(options, len(grid.timesteps)))
        height, width = images.shape[-2:]
        shape = (options.n_samples, *model.config.latent_shape(height, width))
        self._noise = BatchNoise(options.seed, device, shape)
        if posterior_noise is None:
            # On a CPU one generator draws both; two with the same seed would draw the same numbers.
            on_cpu = self._noise if device == "cpu" else BatchNoise(options.seed, "cpu", shape)
            posterior_noise = on_cpu()
        self._z = encode_init(model, images.expand(options.n_samples, -1, -1, -1), posterior_noise)

    def __call__(self, prompts: list[str], on_step: Callable[[int, int], None]) -> np.ndarray:
        size, options = len(prompts), self._options
        drawn = self._noise.drawn
        with precision_scope(options.precision, self._device):
            images = vary(
                self._model,
                self._model.encode_prompts(prompts),
                self._model.encode_prompts([""]),
                self._z[:size],
                strength=options.strength,
                draw=lambda: self._noise()[:size],
                steps=options.ddim_steps,
                guidance_scale=options.scale,
                eta=options.ddim_eta,
                on_step=on_step,
            )
        # One draw to noise the latents and one per step, even if it is multiplied by 0.
        self._noise.advance_to(drawn + 1 + steps_to_run(options.strength, options.ddim_steps))
        return images.cpu().numpy()
