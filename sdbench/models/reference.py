"""The reference model as a model of a sweep."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import torch
from torch import Tensor

from reference_model import CheckpointError, LatentDiffusion, checkpoints, load_checkpoint
from reference_model.config import ModelConfig
from reference_model.guidance_log import ScaleLog
from reference_model.noise import StepNoise, start_noise
from reference_model.pipeline import sample_latents, to_pixels
from reference_model.samplers import SAMPLERS, nfe
from reference_model.schedule import Schedule
from sdbench.core.errors import InputError, did_you_mean
from sdbench.core.precision import FULL, Arithmetic
from sdbench.data.prompts import Prompt
from sdbench.models import Images, Model, OnStep
from sdbench.models.guidance import resolve_guidance
from sdbench.models.samplers import resolve_sampler
from sdbench.models.second_predictions import SecondPredictions, check_second
from sdbench.models.settings import Settings
from sdbench.models.sources import ReferenceSource
from sdbench.spec.sampler_names import belongs_to_model

__all__ = ["ReferenceModel", "check_settings", "load_reference_model", "read_config"]

CONTEXT_BYTES = 2**30
"""Device memory that kept encodings of prompts may use."""


class ReferenceModel:
    """A `Model` that runs LatentDiffusion. An image's noise depends only on the seed and its prompt's id."""

    def __init__(self, model: LatentDiffusion, arithmetic: Arithmetic = FULL) -> None:
        self.digest: str = model.weights_digest  # before the weights are rounded to a lower precision
        model.compute_in(arithmetic.precision, compiled=arithmetic.compiled)
        self._model = model
        self._settings = (model.config.digest, model.device.type, arithmetic)
        self._contexts = _Contexts(model)
        self._second = SecondPredictions(model, arithmetic)

    @property
    def fills_batches(self) -> bool:
        """True: an image more costs a share of a batch."""
        return True

    def generate(self, prompts: Sequence[Prompt], settings: Settings, on_step: OnStep) -> Images:
        """Sample the batch with the sampler named in the settings."""
        model = self._model
        shape = model.config.latent_shape(settings.height, settings.width)
        ids = [prompt.id for prompt in prompts]
        away_from = settings.negatives(prompts) if settings.has_negatives(prompts) else [""]
        texts = [prompt.text for prompt in prompts]
        context = self._contexts.of(texts)
        guidance = self._second.guidance(settings.guidance, texts, context)
        log = ScaleLog() if guidance else None
        before = model.evaluations + self._second.evaluations
        latents = sample_latents(
            model,
            context,
            self._contexts.of(away_from),
            torch.stack([start_noise(settings.seed, id_, shape) for id_ in ids]),
            sampler=resolve_sampler(settings.sampler),
            steps=settings.steps,
            guidance_scale=settings.guidance_scale,
            guidance=guidance,
            scale_log=log,
            eta=settings.eta,
            step_noise=StepNoise(settings.seed, ids, shape),
            on_step=on_step,
        )
        images, finite = _decoded(model.decode, latents)
        again = None
        if settings.precision == "fp16" and not finite.all():
            again = ~finite.numpy()
            lost = (~finite).nonzero()[:, 0].tolist()
            images, finite = _decoded(partial(_with_bf16, model, images, lost), latents)
        pixels = to_pixels(torch.where(finite.to(images.device)[:, None, None, None], images, -1.0))
        evaluations = model.evaluations + self._second.evaluations - before
        evaluations -= log.evaluations if log else 0
        scales = log.scales().numpy() if log else None
        return Images(
            pixels.cpu().numpy(), evaluations // len(prompts), finite.numpy(), again, guidance_scales=scales
        )

    def fits(self, config: ModelConfig, device: str, arithmetic: Arithmetic) -> bool:
        """Return whether this model can take other weights of this configuration."""
        return self._settings == (config.digest, torch.device(device).type, arithmetic)

    def reload(self, source: ReferenceSource) -> None:
        """Replace the weights by those of another source with the same configuration."""
        checkpoints.reload_checkpoint(self._model, source.path, source.use_ema, source.lora_to_merge())
        self.digest = self._model.weights_digest
        self._contexts.weights_changed()

    def release(self) -> None:
        """Free the weights."""
        del self._model, self._contexts, self._second


def _decoded(decode: Callable[[Tensor], Tensor], latents: Tensor) -> tuple[Tensor, Tensor]:
    """Return images [B, 3, H, W], and which of them hold finite values alone: bool [B] on the CPU."""
    images = decode(latents)
    return images, torch.isfinite(images).flatten(1).all(dim=1).cpu()


def _with_bf16(model: LatentDiffusion, images: Tensor, lost: list[int], latents: Tensor) -> Tensor:
    """Return the images with those at `lost` decoded again in bfloat16."""
    rows = list(images)
    for place, image in zip(lost, model.decode_in_bf16(latents[lost]), strict=True):
        rows[place] = image
    return torch.stack(rows)


class _Contexts:
    """Encoded prompts, kept while the digest of the text encoder stays the same.

    Whole batches are kept, because the last bits of a row can depend on the batch that it was encoded in.
    """

    def __init__(self, model: LatentDiffusion) -> None:
        self._model = model
        self._encoder = model.text_digest
        self._kept: dict[tuple[str, ...], Tensor] = {}

    def of(self, texts: list[str]) -> Tensor:
        """Return the context [B, L, D] of a batch of prompts."""
        key = tuple(texts)
        if key in self._kept:
            return self._kept[key]
        context = self._model.encode_prompts(texts)
        if sum(kept.nbytes for kept in self._kept.values()) + context.nbytes <= CONTEXT_BYTES:
            self._kept[key] = context
        return context

    def weights_changed(self) -> None:
        """Forget all encodings if the text encoder has changed."""
        if self._encoder != self._model.text_digest:
            self._encoder = self._model.text_digest
            self._kept.clear()


def read_config(source: ReferenceSource) -> ModelConfig:
    """Return the configuration of the weights; InputError if it cannot be read."""
    try:
        return checkpoints.read_config(source.path, source.config)
    except CheckpointError as error:
        raise InputError(f"checkpoint {source.name}: {error}") from None


def check_settings(source: ReferenceSource, settings: Settings) -> None:
    """Raise InputError if a model of this configuration cannot use the settings."""
    if belongs_to_model(settings.sampler):
        raise InputError(
            f"checkpoint {source.name}: sampler {settings.sampler!r} is for diffusers pipelines; "
            f"{did_you_mean(settings.sampler, SAMPLERS)}"
        )
    config = source.model_config
    if settings.guidance.startswith("cfg++") and (settings.sampler != "ddim" or settings.eta):
        raise InputError(
            f"checkpoint {source.name}: guidance cfg++ changes the update of ddim at eta 0, not that of "
            f"{settings.sampler}; use the sampler ddim"
        )
    resolve_guidance(settings.guidance)
    check_second(settings.guidance, config)
    try:
        config.latent_shape(settings.height, settings.width)
        sampler = resolve_sampler(settings.sampler)
        if sampler.flow:
            raise ValueError(f"sampler {settings.sampler!r} is for models that predict velocity, not noise")
        grid = sampler.grid(Schedule(config.schedule), settings.steps, settings.eta)
        nfe(sampler, grid)  # walks the grid once, so that a sampler that cannot do so fails now
    except ValueError as error:
        raise InputError(f"checkpoint {source.name}: {error}") from None


def load_reference_model(
    source: ReferenceSource, device: str, arithmetic: Arithmetic = FULL, reuse: Model | None = None
) -> ReferenceModel:
    """Load the model of `source`, into `reuse` if that fits; InputError if the files do not hold a model."""
    try:
        if isinstance(reuse, ReferenceModel) and reuse.fits(source.model_config, device, arithmetic):
            reuse.reload(source)
            return reuse
        if reuse is not None:
            reuse.release()
        model = load_checkpoint(source.path, source.config, device, source.use_ema, source.lora_to_merge())
        return ReferenceModel(model, arithmetic)
    except CheckpointError as error:
        raise InputError(f"checkpoint {source.name}: {error}") from None
