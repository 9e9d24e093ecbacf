"""Predictions that guidance adds to the model's own: a weaker model's, or with perturbed attention."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from reference_model import CheckpointError, LatentDiffusion, load_checkpoint
from reference_model.attention import perturbed_attention, self_attentions
from reference_model.config import ModelConfig
from reference_model.guidance_methods import Guidance
from reference_model.unet import UNet
from sdbench.core.errors import InputError
from sdbench.core.precision import Arithmetic
from sdbench.models.guidance import perturbed_layers, resolve_guidance, weak_source
from sdbench.models.sources import ReferenceSource
from sdbench.spec.guidance import PLAIN

__all__ = ["SecondPredictions", "check_second"]


class SecondPredictions:
    """Binds a way of guiding to a model and a batch of prompts. A weak model stays loaded."""

    def __init__(self, model: LatentDiffusion, arithmetic: Arithmetic) -> None:
        self._model, self._arithmetic = model, arithmetic
        self._weak: tuple[ReferenceSource, LatentDiffusion] | None = None

    @property
    def evaluations(self) -> int:
        """Inputs that the weak model has evaluated."""
        return self._weak[1].evaluations if self._weak else 0

    def guidance(self, name: str, prompts: Sequence[str], context: Tensor) -> Guidance | None:
        """Return the way of guiding for prompts and their context [B, L, D]; None for plain guidance."""
        if name == PLAIN:
            return None
        guidance, source, layers = resolve_guidance(name), weak_source(name), perturbed_layers(name)
        if source is not None:
            weak = self._load(source)
            own = weak.encode_prompts(list(prompts))
            predict = weak.for_walk()
            return replace(guidance, weak=lambda x, t: predict(x, t, own))
        if not layers:
            return guidance
        attentions = self_attentions(self._model.unet, layers)

        def perturbed(x: Tensor, t: Tensor) -> Tensor:
            with perturbed_attention(attentions):
                return self._model.denoise(x, t, context)

        return replace(guidance, perturbed=perturbed)

    def _load(self, source: ReferenceSource) -> LatentDiffusion:
        if self._weak is None or self._weak[0] != source:
            self._weak = None
            try:
                device, lora = self._model.device.type, source.lora_to_merge()
                model = load_checkpoint(source.path, source.config, device, source.use_ema, lora)
            except CheckpointError as error:
                raise InputError(f"checkpoint {source.name}: {error}") from None
            model.compute_in(self._arithmetic.precision, compiled=self._arithmetic.compiled)
            self._weak = source, model
        return self._weak[1]


def check_second(name: str, config: ModelConfig) -> None:
    """Raise InputError if a model of this configuration cannot be guided in this way."""
    weak = weak_source(name)
    if weak is not None:
        theirs = weak.model_config
        for what, one, other in (
            ("noise schedule", config.schedule, theirs.schedule),
            ("scale factor", config.scale_factor, theirs.scale_factor),
            ("latent channels", config.unet.in_channels, theirs.unet.in_channels),
            ("pixels per latent", config.autoencoder.downsampling, theirs.autoencoder.downsampling),
        ):
            if one != other:
                raise InputError(
                    f"guidance {name!r}: {weak.name} has another {what}: choose an earlier or "
                    "smaller version of the same model"
                )
    layers = perturbed_layers(name)
    if layers:
        with torch.device("meta"):
            network = UNet(config.unet)
        try:
            self_attentions(network, layers)
        except ValueError as error:
            raise InputError(f"guidance {name!r}: {error}") from None
