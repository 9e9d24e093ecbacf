"""LPIPS: how different two images look, by the features of an AlexNet.

Zhang et al., "The unreasonable effectiveness of deep features as a perceptual metric" (2018), equation 1, in
version 0.1 of the authors' weights: squared differences of unit features after each of the five ReLUs,
weighted by channel, averaged over space and summed. 0 for equal images; larger is more different.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from metrics.errors import MetricsError
from metrics.features.base import check_weights, module_digest, one_line
from metrics.preprocess import check_images

__all__ = ["LPIPS", "SMALLEST", "Lpips"]

LPIPS = "lpips-alex"
"""Its key in NETWORKS."""

SMALLEST = 31
"""Edge in pixels below which the network's pooling leaves nothing."""


class Lpips:
    """The network of torchmetrics, which brings the weights of the channels; those of the AlexNet are a file.

    Attributes:
        digest: The sha256 of the weights, those of the channels among them.
    """

    def __init__(self, weights: Path, device: str = "cpu") -> None:
        """Load ``weights``, torchvision's alexnet-owt-7be5be79.pth, of which the convolutions are read.

        Raises:
            MetricsError: The file is missing, holds more than tensors, or does not fit.
        """
        from torchmetrics.functional.image.lpips import _LPIPS  # the public names download the weights

        check_weights(LPIPS, weights)
        try:
            state = torch.load(weights, map_location="cpu", weights_only=True)
            model: Any = _LPIPS(net="alex", pnet_rand=True)
            model.net.load_state_dict({name: state[_published(name)] for name in model.net.state_dict()})
        except Exception as error:  # pickle and torch raise their own types
            raise MetricsError(
                f"{LPIPS}: cannot load {weights} ({one_line(error)}); check the file"
            ) from error
        self.digest = hashlib.sha256(f"{LPIPS}\n{module_digest(model)}".encode()).hexdigest()
        self._model = model.eval().requires_grad_(False).to(device)
        self._device = device

    @torch.inference_mode()
    def __call__(self, a: NDArray[np.uint8], b: NDArray[np.uint8]) -> NDArray[np.float64]:
        """Return the distances [B] of images uint8 [B, H, W, 3] in pairs, both edges at least SMALLEST."""
        for images in (a, b):
            check_images(images)
        first, second = (
            torch.tensor(images, device=self._device).permute(0, 3, 1, 2) / 255 for images in (a, b)
        )
        distances = self._model(first, second, normalize=True)
        return np.asarray(distances.flatten().cpu(), dtype=np.float64)


def _published(name: str) -> str:
    """Return torchvision's name of a weight: layers are cut into slices here, and keep their numbers."""
    return f"features.{name.partition('.')[2]}"
