"""`txt2img`: images from prompts."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from reference_model import LatentDiffusion
from reference_model.pipeline import generate
from reference_model.samplers import SAMPLERS, nfe
from sdbench.errors import InputError
from sdbench.precision import full_precision
from sdbench.progress import ImageProgress
from sdbench.provenance import best_device
from sdbench.scripts.arguments import TXT2IMG_OUTDIR
from sdbench.scripts.loop import Outcome, within_memory, write_images
from sdbench.scripts.model import model_source, open_model, precision_scope
from sdbench.scripts.noise import BatchNoise
from sdbench.scripts.prompts import prompt_batches
from sdbench.scripts.settings import Txt2ImgSettings
from sdbench.scripts.surprises import about_prompts, about_steps, about_text, fitting_size

__all__ = ["text_to_image"]


def text_to_image(settings: Txt2ImgSettings, progress: ImageProgress) -> Outcome:
    """Carry out the command; InputError in one line where the input cannot be used."""
    progress.notes(about_text(settings))
    batches = prompt_batches(settings)
    progress.notes(about_prompts(settings, batches))
    source = model_source(settings.ckpt, settings.config, laion400m=settings.laion400m)

    full_precision()
    device = best_device()
    model = open_model(source, settings, device, progress)
    outdir = settings.outdir or TXT2IMG_OUTDIR + ("-laion400m" if settings.laion400m else "")
    with within_memory("--H, --W"):
        sample = _TextSampler(model, settings, device, progress)
        return write_images(settings, outdir, batches, sample, device, progress)


class _TextSampler:
    """Prompts of a batch -> images, with noise drawn in the original's order."""

    def __init__(
        self, model: LatentDiffusion, settings: Txt2ImgSettings, device: str, progress: ImageProgress
    ) -> None:
        self._model = model
        self._settings = settings
        self._device = device
        self._eta = SAMPLERS[settings.sampler].takes_eta * settings.ddim_eta
        size, lines = fitting_size((settings.W, settings.H), model.config.side_multiple, "--W, --H")
        progress.notes(lines)
        shape = model.config.latent_shape(size[1], size[0])
        self._noise = BatchNoise(settings.seed, device, (settings.n_samples, *shape))
        self._steps_drawn = self._draws_of_steps(progress)
        self._fixed = self._noise() if settings.fixed_code else None

    def _draws_of_steps(self, progress: ImageProgress) -> int:
        """How many tensors the original draws for the steps of a batch, whatever they are multiplied by."""
        sampler, steps = SAMPLERS[self._settings.sampler], self._settings.ddim_steps
        try:
            grid = sampler.grid(self._model.schedule, steps, self._eta)
        except ValueError as error:
            raise InputError(f"--ddim_steps: {error}") from None
        progress.notes(about_steps(steps, len(grid.timesteps)))
        return 0 if self._settings.dpm_solver else nfe(sampler, grid)

    def __call__(self, prompts: list[str], on_step: Callable[[int, int], None]) -> np.ndarray:
        size = len(prompts)
        start = self._noise() if self._fixed is None else self._fixed
        drawn = self._noise.drawn
        with precision_scope(self._settings.precision, self._device):
            images = generate(
                self._model,
                self._model.encode_prompts(prompts),
                self._model.encode_prompts([""]),
                start[:size],
                sampler=self._settings.sampler,
                steps=self._settings.ddim_steps,
                guidance_scale=self._settings.scale,
                eta=self._eta,
                step_noise=lambda: self._noise()[:size],
                on_step=on_step,
            )
        self._noise.advance_to(drawn + self._steps_drawn)
        return images.cpu().numpy()
