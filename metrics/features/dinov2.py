"""DINOv2 image features: the class token of ViT-L/14, used for Fréchet distances on DINOv2.

Oquab et al., "DINOv2: learning robust visual features without supervision" (2024); used for generated images
by Stein et al., "Exposing flaws of generative model evaluation metrics" (2023), at 224 pixels.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from metrics.errors import MetricsError
from metrics.features.base import check_weights, module_digest, normalised, one_line
from metrics.features.hub import hub_file
from metrics.networks import NETWORKS
from metrics.preprocess import stretch

__all__ = ["Dinov2Extractor", "dinov2_from", "dinov2_vit_l_14"]

_EDGE = 224
_NETWORK = NETWORKS["dinov2-vit-l-14"]
_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_VIT_L_14 = {"hidden_size": 1024, "num_hidden_layers": 24, "num_attention_heads": 16, "image_size": 518}


@dataclass(frozen=True, eq=False)
class Dinov2Extractor:
    """A frozen float32 vision transformer; the feature is the class token after the last norm."""

    name: str
    digest: str
    dim: int
    model: Any
    device: str

    @torch.inference_mode()
    def images(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return the features [B, dim] of images uint8 [B, H, W, 3], stretched to 224x224."""
        inputs = normalised(stretch(images, _EDGE), _MEAN, _STD, self.device)
        return np.asarray(self.model(inputs).last_hidden_state[:, 0].cpu(), dtype=np.float32)


def dinov2_vit_l_14(weights: Path | None = None, device: str = "cpu") -> Dinov2Extractor:
    """Build "dinov2-vit-l-14" from the safetensors file of facebook/dinov2-large.

    Without a path the file comes from the hub's cache or the network. Raises MetricsError if it is
    unavailable or does not fit.
    """
    return dinov2_from("dinov2-vit-l-14", _VIT_L_14, weights, device)


def dinov2_from(name: str, settings: dict[str, Any], weights: Path | None, device: str) -> Dinov2Extractor:
    """Build the transformers model of ``Dinov2Config(**settings)`` with ``weights``."""
    from safetensors.torch import load_file
    from transformers import Dinov2Config, Dinov2Model

    if weights is not None:
        check_weights(name, weights)
    try:
        state = load_file(weights or hub_file(str(_NETWORK.repository), _NETWORK.published))
        _resample_positions(state, _EDGE // 14)
        model = Dinov2Model(Dinov2Config(**{**settings, "image_size": _EDGE}))
        model.load_state_dict({key.removeprefix("dinov2."): tensor for key, tensor in state.items()})
    except Exception as error:  # the hub client, sockets, safetensors and torch raise their own types
        remedy = "without a network, pass the path of the file" if weights is None else "check the file"
        raise MetricsError(f"{name}: cannot load the weights ({one_line(error)}); {remedy}") from error
    model = model.float().eval().requires_grad_(False)
    digest = hashlib.sha256(f"{sorted(settings.items())}\n{module_digest(model)}".encode()).hexdigest()
    return Dinov2Extractor(name, digest, int(model.config.hidden_size), model.to(device), device)


def _resample_positions(state: dict[str, torch.Tensor], side: int) -> None:
    """Interpolate the position embeddings of 37x37 patches to ``side`` x ``side``, as the authors do.

    They scale by (side + 0.1) / 37, a guard against rounding that shifts every sample a little; libraries
    that interpolate to the exact size compute different features from the same weights.
    """
    key = next(key for key in state if key.endswith("embeddings.position_embeddings"))
    token, grid = state[key][:, :1].float(), state[key][:, 1:].float()
    learned = round(grid.shape[1] ** 0.5)
    if learned == side:
        return
    planes = grid.reshape(1, learned, learned, -1).permute(0, 3, 1, 2)
    scale = (side + 0.1) / learned
    planes = torch.nn.functional.interpolate(planes, scale_factor=(scale, scale), mode="bicubic")
    state[key] = torch.cat([token, planes.flatten(2).transpose(1, 2)], dim=1)
