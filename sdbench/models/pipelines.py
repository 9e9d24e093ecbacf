"""Pipelines of the diffusers library as models."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from importlib import metadata
from typing import Any

import numpy as np
import torch

from reference_model.computation import HALVES
from reference_model.noise import start_noise
from sdbench.core.errors import InputError, one_line
from sdbench.core.precision import FULL, Arithmetic
from sdbench.data.prompts import Prompt
from sdbench.models import Images, OnStep
from sdbench.models.counting import counted
from sdbench.models.diffusers_layout import file_names, only_variant, read_index
from sdbench.models.library_warnings import listen
from sdbench.models.pipeline_guidance import DENOISERS, pipeline_guidance
from sdbench.models.pipeline_schedulers import build_scheduler
from sdbench.models.settings import Settings
from sdbench.models.sources import PipelineSource

__all__ = ["PipelineModel", "library_version", "load_pipeline"]

NEEDED = ("prompt", "height", "width", "num_inference_steps", "generator", "output_type")
"""Arguments that a pipeline must have to be usable in a sweep."""


class PipelineModel:
    """A `Model` that runs a text-to-image pipeline.

    A pipeline with a UNet starts from the same noise as the reference model; others draw it from a separate
    generator for each image. Pixels are quantised as in the reference model: truncated, not rounded.
    """

    def __init__(
        self, source: PipelineSource, pipeline: Any, digest: str, arithmetic: Arithmetic = FULL
    ) -> None:
        self._source = source
        self._autocast = arithmetic.precision == "autocast"
        self._pipeline = pipeline
        self._digest = digest
        self._guidance = pipeline_guidance(source)
        self._arguments = inspect.signature(pipeline.__call__).parameters

    @property
    def digest(self) -> str:
        """The digest of the files."""
        return self._digest

    @property
    def fills_batches(self) -> bool:
        """True: an image more costs a share of a batch."""
        return True

    def generate(self, prompts: Sequence[Prompt], settings: Settings, on_step: OnStep) -> Images:
        """Run the pipeline with the scheduler that the sampler's name selects."""
        pipeline = self._pipeline
        pipeline.scheduler = build_scheduler(self._source, settings.sampler, settings.eta)
        denoisers = [module for name in DENOISERS if (module := getattr(pipeline, name, None)) is not None]
        autocast = torch.autocast(pipeline.device.type, torch.bfloat16, enabled=self._autocast)
        with torch.inference_mode(), autocast, counted(denoisers) as count:
            images = pipeline(
                prompt=[prompt.text for prompt in prompts],
                height=settings.height,
                width=settings.width,
                num_inference_steps=settings.steps,
                output_type="np",
                **self._guidance.arguments(prompts, settings),
                **self._noise(prompts, settings),
                **self._extras(settings, on_step),
            ).images
        shape = (len(prompts), settings.height, settings.width, 3)
        if images.shape != shape:
            raise ValueError(f"the pipeline returned images of shape {images.shape}, expected {shape}")
        finite = np.isfinite(images).all(axis=(1, 2, 3))
        black_instead = np.where(finite[:, None, None, None], images, 0.0)
        pixels = (255.0 * black_instead.clip(0.0, 1.0)).astype(np.uint8)
        return Images(pixels, count.rows // len(prompts) if denoisers else None, finite)

    def release(self) -> None:
        """Free the pipeline."""
        del self._pipeline

    def _noise(self, prompts: Sequence[Prompt], settings: Settings) -> dict[str, Any]:
        seeds = [settings.image_seed(prompt.id) for prompt in prompts]
        noise: dict[str, Any] = {"generator": [torch.Generator().manual_seed(seed) for seed in seeds]}
        unet, factor = (
            getattr(self._pipeline, "unet", None),
            getattr(self._pipeline, "vae_scale_factor", None),
        )
        if unet is not None and factor is not None and "latents" in self._arguments:
            shape = (unet.config.in_channels, settings.height // factor, settings.width // factor)
            latents = [start_noise(settings.seed, prompt.id, shape) for prompt in prompts]
            noise["latents"] = torch.stack(latents).to(unet.dtype)
        return noise

    def _extras(self, settings: Settings, on_step: OnStep) -> dict[str, Any]:
        extras: dict[str, Any] = {}
        if settings.eta:
            if "eta" not in self._arguments:
                raise ValueError(f"{type(self._pipeline).__name__} takes no eta")
            extras["eta"] = settings.eta
        if "callback_on_step_end" in self._arguments:

            def report(pipeline: Any, step: int, timestep: Any, tensors: dict[str, Any]) -> dict[str, Any]:
                on_step(step + 1, pipeline.num_timesteps)
                return tensors

            extras["callback_on_step_end"] = report
        return extras


def library_version() -> str:
    """Return the version of diffusers; InputError if it is not installed."""
    try:
        return metadata.version("diffusers")
    except metadata.PackageNotFoundError:
        raise InputError("diffusers is not installed: pip install 'sdbench[diffusers]'") from None


def load_pipeline(source: PipelineSource, device: str, arithmetic: Arithmetic = FULL) -> PipelineModel:
    """Load the pipeline of a folder; InputError if it cannot be loaded or used in a sweep."""
    library_version()
    import diffusers

    listen()
    index = read_index(source.path, source.name)
    _refuse_code(source, index, diffusers)
    # The library must be told which parts are absent. No sweep uses the safety checker, so it is left out.
    absent: dict[str, Any] = {name: None for name, value in index.items() if value == [None, None]}
    if "safety_checker" in index:
        absent |= {"safety_checker": None, "requires_safety_checker": False}
    try:
        pipeline = diffusers.DiffusionPipeline.from_pretrained(
            source.path,
            use_safetensors=True,
            variant=only_variant(file_names(source.path)),
            local_files_only=True,
            **absent,
        ).to(device, HALVES.get(arithmetic.precision, torch.float32))
    except (OSError, ValueError, TypeError, RuntimeError, AttributeError, ImportError) as error:
        raise InputError(f"checkpoint {source.name}: {source.path}: {one_line(error)}") from None
    arguments = inspect.signature(pipeline.__call__).parameters
    missing = [name for name in NEEDED if name not in arguments]
    if missing:
        raise InputError(
            f"checkpoint {source.name}: {index['_class_name']} takes no {', '.join(missing)}, so it cannot "
            "be used as a text-to-image model"
        )
    pipeline.set_progress_bar_config(disable=True)
    if getattr(pipeline, "watermark", None) is not None:
        pipeline.watermark = None
    if arithmetic.compiled:
        _compile(pipeline)
    return PipelineModel(source, pipeline, source.files_digest(), arithmetic)


def _compile(pipeline: Any) -> None:
    """Compile the denoisers and the decoder: their methods, so that counting hooks are not compiled."""
    for name in DENOISERS:
        if (denoiser := getattr(pipeline, name, None)) is not None:
            denoiser.forward = torch.compile(denoiser.forward, dynamic=False)
    if getattr(pipeline, "vae", None) is not None:
        pipeline.vae.decode = torch.compile(pipeline.vae.decode, dynamic=False)


def _refuse_code(source: PipelineSource, index: dict[str, Any], diffusers: Any) -> None:
    """Raise InputError if a component is not a class of the libraries: loading it could run foreign code."""
    named = [value[0] for value in index.values() if isinstance(value, list) and value]
    foreign = [
        library
        for library in named
        if library not in (None, "diffusers", "transformers") and not hasattr(diffusers.pipelines, library)
    ]
    if foreign:
        raise InputError(
            f"checkpoint {source.name}: {source.path} names components of {foreign[0]!r}, which "
            "is not part of diffusers or transformers; foreign code is not run"
        )
