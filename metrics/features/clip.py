"""CLIP image and text features through open_clip.

Radford et al., "Learning transferable visual models from natural language supervision" (2021). Features are
the projected outputs, not normalised: published Fréchet distances on CLIP features are computed that way, and
the CLIP score takes the cosine anyway.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from metrics.errors import MetricsError
from metrics.features.base import check_weights, module_digest, normalised, one_line
from metrics.features.hub import hub_file
from metrics.networks import NETWORKS
from metrics.preprocess import Fit, resize_and_crop

__all__ = [
    "PUBLISHED",
    "ClipExtractor",
    "Normalisation",
    "clip_from_files",
    "pretrained_clip",
    "published_clip",
]

Tokenizer = Callable[[list[str]], torch.Tensor]

# OpenAI trained with QuickGELU; open_clip's plain configurations use another activation.
PUBLISHED = {
    "clip-vit-b-32": "ViT-B-32-quickgelu",
    "clip-vit-h-14": "ViT-H-14",
    "clip-vit-l-14": "ViT-L-14-quickgelu",
    "clip-vit-l-14-336": "ViT-L-14-336-quickgelu",
}
"""Extractor -> open_clip's name of the architecture."""


@dataclass(frozen=True)
class Normalisation:
    """The input of a CLIP model: edge in pixels; mean and deviation per channel, on the 0..1 scale."""

    size: int
    mean: tuple[float, ...]
    std: tuple[float, ...]

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> Normalisation:
        """Read open_clip's preprocess_cfg; KeyError, TypeError or ValueError if it is not one."""
        edges = settings["size"]
        size = edges if isinstance(edges, int) else max(edges)
        return cls(
            size=size, mean=tuple(map(float, settings["mean"])), std=tuple(map(float, settings["std"]))
        )


@dataclass(frozen=True, eq=False)
class ClipExtractor:
    """A frozen float32 open_clip model with its tokenizer (texts -> int64 [B, L]) and preprocessing."""

    name: str
    digest: str
    dim: int
    model: Any
    tokenizer: Tokenizer
    normalisation: Normalisation
    device: str
    fit: Fit = resize_and_crop

    @torch.inference_mode()
    def images(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return the features [B, dim] of images uint8 [B, H, W, 3]."""
        wanted = self.normalisation
        inputs = normalised(self.fit(images, wanted.size), wanted.mean, wanted.std, self.device)
        return _to_numpy(self.model.encode_image(inputs))

    @torch.inference_mode()
    def texts(self, texts: list[str]) -> NDArray[np.float32]:
        """Return the features [B, dim] of B texts."""
        return _to_numpy(self.model.encode_text(self.tokenizer(texts).to(self.device)))


def clip_from_files(config: Path, weights: Path, tokenizer: Tokenizer, device: str = "cpu") -> ClipExtractor:
    """Build "shapes-clip" from an open_clip config, safetensors weights and a tokenizer.

    The config is JSON: {"model_cfg": as in open_clip's model_configs, "preprocess_cfg": {"mean", "std",
    "size"}}. Weights of any float type are converted to float32. Raises MetricsError if a file is missing or
    invalid, or if the two do not fit each other.
    """
    import open_clip  # here, since it takes seconds to import and only CLIP users should wait
    from safetensors.torch import load_file

    for path in (config, weights):
        if not path.is_file():
            raise MetricsError(f"shapes-clip: {path} does not exist")
    try:
        settings = json.loads(config.read_text(encoding="utf-8"))
        model_settings = dict(settings["model_cfg"])
        normalisation = Normalisation.of(settings["preprocess_cfg"])
        model_class = open_clip.CustomTextCLIP if model_settings.pop("custom_text", False) else open_clip.CLIP
        model = model_class(**model_settings)
    except (ValueError, TypeError, KeyError) as error:
        raise MetricsError(f"shapes-clip: {config} is not an open_clip config: {one_line(error)}") from error
    try:
        model.load_state_dict(load_file(weights))
    except Exception as error:  # safetensors raises its own type, torch a RuntimeError
        raise MetricsError(f"shapes-clip: {weights} does not fit {config}: {one_line(error)}") from error
    return _extractor(
        "shapes-clip", json.dumps(settings, sort_keys=True), model, tokenizer, normalisation, device
    )


def published_clip(
    name: str, weights: Path | None = None, device: str = "cpu", fit: Fit = resize_and_crop
) -> ClipExtractor:
    """Build a published model with ``weights`` or those of its repository; MetricsError if unavailable."""
    architecture, network = PUBLISHED[name], NETWORKS[name]
    try:
        found = weights or hub_file(str(network.repository), network.published)
    except Exception as error:  # the hub client and its sockets raise their own types
        why = f"{one_line(error)}; without a network, pass the path of the file"
        raise MetricsError(f"{name}: cannot fetch the weights ({why})") from error
    return replace(pretrained_clip(name, architecture, found, device), fit=fit)


def pretrained_clip(name: str, architecture: str, weights: Path, device: str) -> ClipExtractor:
    """Build an open_clip architecture with ``weights``, a state dict or safetensors.

    Raises MetricsError if the file does not exist or does not fit.
    """
    import open_clip

    check_weights(name, weights)
    try:
        model = open_clip.create_model(architecture, pretrained=str(weights))
    except Exception as error:  # safetensors, pickle and torch raise their own types
        raise MetricsError(f"{name}: cannot load {weights} ({one_line(error)}); check the file") from error
    normalisation = Normalisation.of(open_clip.get_model_preprocess_cfg(model))
    return _extractor(name, architecture, model, open_clip.get_tokenizer(architecture), normalisation, device)


def _extractor(
    name: str, architecture: str, model: Any, tokenizer: Tokenizer, normalisation: Normalisation, device: str
) -> ClipExtractor:
    """Freeze the model in float32 on its device, and find the dimensions of its output.

    The digest covers architecture and preprocessing too: the weights do not show heads and activation.
    """
    model = model.float().eval().requires_grad_(False)
    identity = f"{architecture}\n{normalisation}\n{module_digest(model)}"
    digest = hashlib.sha256(identity.encode()).hexdigest()
    with torch.inference_mode():
        blank = torch.zeros(1, 3, normalisation.size, normalisation.size)
        dim = int(model.encode_image(blank).shape[1])
    return ClipExtractor(name, digest, dim, model.to(device), tokenizer, normalisation, device)


def _to_numpy(features: torch.Tensor) -> NDArray[np.float32]:
    return np.asarray(features.cpu(), dtype=np.float32)
