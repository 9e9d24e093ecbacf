"""Networks that predict which image people would prefer: PickScore, HPS v2.1 and LAION's aesthetic predictor.

Kirstain et al., "Pick-a-Pic: an open dataset of user preferences for text-to-image generation" (2023); Wu et
al., "Human preference score v2" (2023), in its version 2.1; Schuhmann, "improved-aesthetic-predictor" (2022).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from metrics.errors import MetricsError
from metrics.features.base import Extractor, check_weights, module_digest, normalised, one_line
from metrics.features.clip import ClipExtractor, Tokenizer, pretrained_clip, published_clip
from metrics.features.hub import hub_file
from metrics.networks import NETWORKS
from metrics.preprocess import check_images, resize_and_crop

__all__ = [
    "CLIP_MEAN",
    "CLIP_STD",
    "AestheticExtractor",
    "HpsExtractor",
    "PickScoreExtractor",
    "hps_v2_1",
    "laion_aesthetic_v2",
    "linear_head",
    "pickscore",
    "pickscore_from",
]

CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
CLIP_STD = (0.26862954, 0.26130258, 0.27577711)
"""OpenAI's, of CLIP."""

_CLIP_H: dict[str, Any] = {
    "projection_dim": 1024,
    "text_config": {
        "hidden_size": 1024,
        "intermediate_size": 4096,
        "num_hidden_layers": 24,
        "num_attention_heads": 16,
        "projection_dim": 1024,
        "hidden_act": "gelu",
    },
    "vision_config": {
        "hidden_size": 1280,
        "intermediate_size": 5120,
        "num_hidden_layers": 32,
        "num_attention_heads": 16,
        "patch_size": 14,
        "projection_dim": 1024,
        "hidden_act": "gelu",
    },
}

_HEAD = (768, 1024, 128, 64, 16, 1)
"""Widths of the layers of LAION's head, which has no activations between them."""

_DROPOUT = (1, 3, 5)
"""Where training had dropout, in the authors' numbers of the layers."""


@dataclass(frozen=True, eq=False)
class PickScoreExtractor:
    """A CLIP of transformers. Inner products of its features are PickScores.

    Features of texts have length one, those of images exp(logit_scale), the network's own.
    """

    name: str
    digest: str
    dim: int
    model: Any
    tokenizer: Tokenizer
    size: int
    device: str

    @torch.inference_mode()
    def images(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return the features [B, dim] of images uint8 [B, H, W, 3]."""
        inputs = normalised(resize_and_crop(images, self.size), CLIP_MEAN, CLIP_STD, self.device)
        features = self.model.visual_projection(self.model.vision_model(pixel_values=inputs).pooler_output)
        return _to_numpy(self.model.logit_scale.exp() * _unit(features))

    @torch.inference_mode()
    def texts(self, texts: list[str]) -> NDArray[np.float32]:
        """Return the features [B, dim] of B texts."""
        tokens = self.tokenizer(texts).to(self.device)
        return _to_numpy(_unit(self.model.text_projection(self.model.text_model(tokens).pooler_output)))


def pickscore(weights: Path | None = None, device: str = "cpu") -> PickScoreExtractor:
    """Build "pickscore" from the safetensors file of yuvalkirstain/PickScore_v1.

    Without a path the file comes from the hub's cache or the network. Raises MetricsError if it is
    unavailable or does not fit.
    """
    return pickscore_from("pickscore", _CLIP_H, weights, device)


def pickscore_from(
    name: str, settings: dict[str, Any], weights: Path | None, device: str
) -> PickScoreExtractor:
    """Build the transformers model of ``CLIPConfig(**settings)`` with ``weights``."""
    import open_clip
    from safetensors.torch import load_file
    from transformers import CLIPConfig, CLIPModel

    if weights is not None:
        check_weights(name, weights)
    network = NETWORKS["pickscore"]
    try:
        state = load_file(weights or hub_file(str(network.repository), network.published))
        model = CLIPModel(CLIPConfig(**settings))
        # Older versions of transformers also wrote the constant numbers of the positions.
        model.load_state_dict({key: row for key, row in state.items() if not key.endswith("position_ids")})
    except Exception as error:  # the hub client, sockets, safetensors and torch raise their own types
        raise MetricsError(f"{name}: cannot load the weights ({one_line(error)})") from error
    model = model.float().eval().requires_grad_(False)
    digest = hashlib.sha256(f"{name}\n{module_digest(model)}".encode()).hexdigest()
    size, dim = int(model.config.vision_config.image_size), int(model.config.projection_dim)
    # The tokenizer of all CLIPs; what it writes behind the end token is not read.
    tokenizer = open_clip.get_tokenizer("ViT-H-14")
    return PickScoreExtractor(name, digest, dim, model.to(device), tokenizer, size, device)


@dataclass(frozen=True, eq=False)
class HpsExtractor(ClipExtractor):
    """An open_clip model whose images are resized in floating point and padded to a square with black."""

    @torch.inference_mode()
    def images(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return the features [B, dim] of images uint8 [B, H, W, 3]."""
        wanted = self.normalisation
        pixels = _padded(images, wanted.size, self.device)
        shift, scale = (torch.tensor(v, device=self.device)[:, None, None] for v in (wanted.mean, wanted.std))
        return _to_numpy(self.model.encode_image((pixels - shift) / scale))


def hps_v2_1(
    weights: Path | None = None, device: str = "cpu", architecture: str = "ViT-H-14"
) -> HpsExtractor:
    """Build "hps-v2.1" from HPS_v2.1_compressed.pt of xswu/HPSv2, weights of an open_clip model.

    Without a path the file comes from the hub's cache or the network. Raises MetricsError if it is
    unavailable, holds more than tensors, or does not fit.
    """
    name, network = "hps-v2.1", NETWORKS["hps-v2.1"]
    try:
        found = weights or hub_file(str(network.repository), network.published)
    except Exception as error:  # the hub client and its sockets raise their own types
        raise MetricsError(f"{name}: cannot fetch the weights ({one_line(error)})") from error
    plain = pretrained_clip(name, architecture, found, device)
    return HpsExtractor(**{field.name: getattr(plain, field.name) for field in fields(plain)})


@dataclass(frozen=True, eq=False)
class AestheticExtractor:
    """LAION's head on CLIP features of length one: a value per image, about 1 to 10."""

    name: str
    digest: str
    dim: int
    clip: Extractor
    head: torch.nn.Module

    @torch.inference_mode()
    def images(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return the values [B, 1] of images uint8 [B, H, W, 3]."""
        return _to_numpy(self.head(_unit(torch.from_numpy(self.clip.images(images)))))


def laion_aesthetic_v2(
    weights: Path | None = None, clip_weights: Path | None = None, device: str = "cpu"
) -> AestheticExtractor:
    """Build "laion-aesthetic-v2" from the head ``weights`` and those of the extractor "clip-vit-l-14".

    The head is sac+logos+ava1-l14-linearMSE.pth of christophschuhmann/improved-aesthetic-predictor. Raises
    MetricsError if a file is missing, holds more than tensors, or does not fit.
    """
    name = "laion-aesthetic-v2"
    if weights is None:
        raise MetricsError(f"{name}: give the path of its weights, {NETWORKS[name].published}")
    check_weights(name, weights)
    try:
        head = linear_head(torch.load(weights, map_location="cpu", weights_only=True))
    except Exception as error:  # pickle and torch raise their own types
        raise MetricsError(f"{name}: cannot load {weights} ({one_line(error)}); check the file") from error
    clip = published_clip("clip-vit-l-14", clip_weights, device)
    digest = hashlib.sha256(f"{clip.digest}\n{module_digest(head)}".encode()).hexdigest()
    return AestheticExtractor(name, digest, 1, clip, head)


def linear_head(state: Mapping[str, torch.Tensor]) -> torch.nn.Module:
    """Return LAION's head, from 768 numbers to one, with the weights "layers.0.weight" and so on."""
    layers: list[torch.nn.Module] = [torch.nn.Linear(*widths) for widths in pairwise(_HEAD)]
    for place in _DROPOUT:
        layers.insert(place, torch.nn.Identity())
    head = torch.nn.Sequential(*layers).eval().requires_grad_(False)
    head.load_state_dict({key.removeprefix("layers."): row for key, row in state.items()})
    return head


def _padded(images: NDArray[np.uint8], size: int, device: str) -> torch.Tensor:
    """Return images uint8 [B, H, W, 3] as float32 [B, 3, size, size] in 0..1, the shorter edge padded."""
    check_images(images)
    pixels = torch.tensor(images, device=device).permute(0, 3, 1, 2) / 255
    edges = images.shape[1:3]
    height, width = (round(edge * (size / max(edges))) for edge in edges)
    if (height, width) != edges:
        pixels = torch.nn.functional.interpolate(pixels, (height, width), mode="bicubic", antialias=True)
    left, top = (size - width) // 2, (size - height) // 2
    return torch.nn.functional.pad(pixels, (left, size - width - left, top, size - height - top))


def _unit(features: torch.Tensor) -> torch.Tensor:
    return features / features.norm(dim=-1, keepdim=True)


def _to_numpy(features: torch.Tensor) -> NDArray[np.float32]:
    return np.asarray(features.cpu(), dtype=np.float32)
