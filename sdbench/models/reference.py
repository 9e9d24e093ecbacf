"""The reference model in a sweep."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import torch

from reference_model import CheckpointError, LatentDiffusion, checkpoints, load_checkpoint
from reference_model.config import ModelConfig
from reference_model.noise import StepNoise, start_noise
from reference_model.pipeline import sample, to_pixels
from reference_model.samplers import SAMPLERS, nfe
from reference_model.schedule import Schedule
from sdbench.errors import InputError, did_you_mean
from sdbench.models import Images, OnStep
from sdbench.models.sampler_names import belongs_to_model
from sdbench.models.sources import ReferenceSource
from sdbench.models.watching import counted
from sdbench.plan import Cell
from sdbench.prompts import Prompt
from sdbench.samplers import resolve_sampler

__all__ = ["ReferenceModel", "check_cell", "load_reference_model", "read_config"]


class ReferenceModel:
    """A `Model` round LatentDiffusion. The start noise of an image depends on seed and prompt id alone."""

    def __init__(self, model: LatentDiffusion) -> None:
        self._model = model

    @property
    def digest(self) -> str:
        """The digest of names, shapes and values of the weights."""
        return self._model.weights_digest

    def generate(self, prompts: Sequence[Prompt], cell: Cell, on_step: OnStep) -> Images:
        """Sample the batch by the sampler that the cell names."""
        model = self._model
        shape = model.config.latent_shape(cell.height, cell.width)
        ids = [prompt.id for prompt in prompts]
        with counted([model.unet]) as count:
            images = sample(
                model,
                model.encode_prompts([prompt.text for prompt in prompts]),
                self._empty,
                torch.stack([start_noise(cell.seed, id_, shape) for id_ in ids]),
                sampler=resolve_sampler(cell.sampler.name),
                steps=cell.sampler.steps,
                guidance_scale=cell.guidance_scale,
                eta=cell.sampler.eta,
                step_noise=StepNoise(cell.seed, ids, shape),
                on_step=on_step,
            )
        finite = torch.isfinite(images).flatten(1).all(dim=1)
        pixels = to_pixels(torch.where(finite[:, None, None, None], images, -1.0))
        return Images(pixels.cpu().numpy(), count.rows // len(prompts), finite.cpu().numpy())

    @cached_property
    def _empty(self) -> torch.Tensor:
        return self._model.encode_prompts([""])


def read_config(source: ReferenceSource) -> ModelConfig:
    """The configuration of the weights; InputError where it cannot be read."""
    try:
        return checkpoints.read_config(source.path, source.config)
    except CheckpointError as error:
        raise InputError(f"checkpoint {source.name}: {error}") from None


def check_cell(config: ModelConfig, cell: Cell) -> None:
    """Raise InputError where a model of this configuration cannot make the cell's images."""
    if belongs_to_model(cell.sampler.name):
        raise InputError(
            f"checkpoint {cell.checkpoint.name}: sampler {cell.sampler.name!r} is for diffusers pipelines; "
            f"{did_you_mean(cell.sampler.name, SAMPLERS)}"
        )
    try:
        config.latent_shape(cell.height, cell.width)
        sampler = resolve_sampler(cell.sampler.name)
        grid = sampler.grid(Schedule(config.schedule), cell.sampler.steps, cell.sampler.eta)
        nfe(sampler, grid)  # walks it once, so that a sampler that fails on it does so now
    except ValueError as error:
        raise InputError(f"checkpoint {cell.checkpoint.name}: {error}") from None


def load_reference_model(source: ReferenceSource, device: str) -> ReferenceModel:
    """The model of `source`; InputError where the files do not hold one."""
    try:
        return ReferenceModel(load_checkpoint(source.path, source.config, device, source.use_ema))
    except CheckpointError as error:
        raise InputError(f"checkpoint {source.name}: {error}") from None
