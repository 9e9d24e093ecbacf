"""`txt2img`: images from prompts."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from reference_model import LatentDiffusion
from reference_model.pipeline import generate
from reference_model.samplers import SAMPLERS, nfe
from sdbench.core.environment import best_device
from sdbench.core.errors import InputError
from sdbench.core.precision import full_precision
from sdbench.core.progress import ImageProgress
from sdbench.tools.compvis.arguments import TXT2IMG_OUTDIR
from sdbench.tools.compvis.loop import Output, within_memory, write_images
from sdbench.tools.compvis.model import model_source, open_model, precision_scope
from sdbench.tools.compvis.noise import BatchNoise
from sdbench.tools.compvis.prompts import prompt_batches
from sdbench.tools.compvis.settings import Txt2ImgOptions
from sdbench.tools.compvis.surprises import about_prompts, about_steps, about_text, fitting_size

__all__ = ["text_to_image"]


def text_to_image(options: Txt2ImgOptions, progress: ImageProgress) -> Output:
    """Run the command.

    Raises:
        InputError: The input cannot be used.
    """
    progress.notes(about_text(options))
    batches = prompt_batches(options)
    progress.notes(about_prompts(options, batches))
    source = model_source(options.ckpt, options.config, laion400m=options.laion400m)

    full_precision()
    device = best_device()
    model = open_model(source, options, device, progress)
    outdir = options.outdir or TXT2IMG_OUTDIR + ("-laion400m" if options.laion400m else "")
    with within_memory("--H, --W"):
        sample = _TextSampler(model, options, device, progress)
        return write_images(options, outdir, batches, sample, device, progress)


class _TextSampler:
    """Turns the prompts of a batch into images, drawing noise in the original's order."""

    def __init__(
        self, model: LatentDiffusion, options: Txt2ImgOptions, device: str, progress: ImageProgress
    ) -> None:
        self._model = model
        self._options = options
        self._device = device
        self._eta = SAMPLERS[options.sampler].takes_eta * options.ddim_eta
        size, lines = fitting_size((options.W, options.H), model.config.side_multiple, "--W, --H")
        progress.notes(lines)
        shape = model.config.latent_shape(size[1], size[0])
        self._noise = BatchNoise(options.seed, device, (options.n_samples, *shape))
        self._steps_drawn = self._draws_of_steps(progress)
        self._fixed = self._noise() if options.fixed_code else None

    def _draws_of_steps(self, progress: ImageProgress) -> int:
        """Return how many tensors the original draws for the steps of a batch, used or not."""
        sampler, steps = SAMPLERS[self._options.sampler], self._options.ddim_steps
        try:
            grid = sampler.grid(self._model.schedule, steps, self._eta)
        except ValueError as error:
            raise InputError(f"--ddim_steps: {error}") from None
        progress.notes(about_steps(steps, len(grid.timesteps)))
        return 0 if self._options.dpm_solver else nfe(sampler, grid)

    def __call__(self, prompts: list[str], on_step: Callable[[int, int], None]) -> np.ndarray:
        size = len(prompts)
        start = self._noise() if self._fixed is None else self._fixed
        drawn = self._noise.drawn
        with precision_scope(self._options.precision, self._device):
            images = generate(
                self._model,
                self._model.encode_prompts(prompts),
                self._model.encode_prompts([""]),
                start[:size],
                sampler=self._options.sampler,
                steps=self._options.ddim_steps,
                guidance_scale=self._options.scale,
                eta=self._eta,
                step_noise=lambda: self._noise()[:size],
                on_step=on_step,
            )
        self._noise.advance_to(drawn + self._steps_drawn)
        return images.cpu().numpy()
