"""Stage 1: a unit's images.

The starting noise of an image depends on the seed and its prompt id alone; all cells share it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import torch

from reference_model import CheckpointError, LatentDiffusion, load_checkpoint
from reference_model.config import ModelConfig
from reference_model.noise import StepNoise, start_noise
from reference_model.pipeline import generate
from reference_model.samplers import nfe
from reference_model.schedule import Schedule
from sdbench.errors import InputError, SamplingError
from sdbench.plan import Cell, Unit
from sdbench.prompts import Prompt
from sdbench.registry import CheckpointFile

__all__ = ["evaluations_per_image", "flag", "generate_images", "load_model"]

BLACK_LEVEL = 1
"""An image whose brightest value is at most this is black; rounding may leave a 1."""


def load_model(file: CheckpointFile, device: str = "cpu") -> LatentDiffusion:
    """The model of a checkpoint file; InputError where the file does not hold one."""
    try:
        return load_checkpoint(file.path, file.config, device)
    except CheckpointError as error:
        raise InputError(f"checkpoint {file.name}: {error}") from None


def evaluations_per_image(config: ModelConfig, cell: Cell) -> int:
    """UNet evaluations (NFE) that one image of the cell takes, both halves of guidance counted.

    Raises InputError where this model cannot make such an image: a number of steps that its schedule
    does not offer, or sides that its downsampling does not divide.
    """
    try:
        config.latent_shape(cell.height, cell.width)
        points = len(Schedule(config.schedule).grid(cell.sampler.steps, cell.sampler.eta).timesteps)
    except ValueError as error:
        raise InputError(f"checkpoint {cell.checkpoint.name}: {error}") from None
    return nfe(cell.sampler.name, points) * (1 if cell.guidance_scale == 1.0 else 2)


def generate_images(
    model: LatentDiffusion, unit: Unit, batch_size: int, tick: Callable[[float], None]
) -> Iterator[np.ndarray]:
    """The unit's images in prompt order, batch by batch: uint8 [B, H, W, 3].

    `tick` is told how many of the unit's images are done, in fractions while a batch is under way.
    Raises SamplingError where a value is not finite, with the prompts that it happened to.
    """
    prompts = unit.chunk.prompts
    empty = model.encode_prompts([""])
    for start in range(0, len(prompts), batch_size):
        batch = prompts[start : start + batch_size]

        def on_step(done: int, total: int, start: int = start, size: int = len(batch)) -> None:
            tick(start + size * done / total)

        yield _batch(model, unit.cell, batch, empty, on_step)


def _batch(
    model: LatentDiffusion,
    cell: Cell,
    prompts: tuple[Prompt, ...],
    empty: torch.Tensor,
    on_step: Callable[[int, int], None],
) -> np.ndarray:
    shape = model.config.latent_shape(cell.height, cell.width)
    ids = [prompt.id for prompt in prompts]
    try:
        images = generate(
            model,
            model.encode_prompts([prompt.text for prompt in prompts]),
            empty,
            torch.stack([start_noise(cell.seed, id_, shape) for id_ in ids]),
            sampler=cell.sampler.name,
            steps=cell.sampler.steps,
            guidance_scale=cell.guidance_scale,
            eta=cell.sampler.eta,
            step_noise=StepNoise(cell.seed, ids, shape) if cell.sampler.eta else None,
            on_step=on_step,
        )
    except ValueError as error:
        raise SamplingError(f"cell {cell.folder}, prompts {ids[0]} to {ids[-1]}: {error}") from error
    return images.cpu().numpy()


def flag(image: np.ndarray) -> str:
    """What is wrong with an image [H, W, 3] at first sight: "black", "constant", or "" when nothing is."""
    if image.max() <= BLACK_LEVEL:
        return "black"
    return "constant" if (image == image[:1, :1]).all() else ""
