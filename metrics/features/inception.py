"""The Inception v3 network that FID was defined on, in torch-fidelity's port of the original graph.

Szegedy et al., "Rethinking the Inception architecture for computer vision" (2016), as the 2015-12-05 frozen
graph of Heusel et al. (2017): 1008 outputs, other pooling than torchvision's, TensorFlow 1's resizing.
torchmetrics wraps the same network but antialiases by default, which is another figure.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from metrics.errors import MetricsError
from metrics.features.base import module_digest, one_line
from metrics.preprocess import check_images

__all__ = ["InceptionExtractor", "inception_v3"]

_LAYER = "2048"


@dataclass(frozen=True, eq=False)
class InceptionExtractor:
    """The 2048 features of the last pooling layer; the network resizes to 299x299 by itself."""

    name: str
    digest: str
    dim: int
    model: torch.nn.Module

    @torch.inference_mode()
    def images(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return the features [B, 2048] of images uint8 [B, H, W, 3]."""
        check_images(images)
        device = next(self.model.parameters()).device
        (features,) = self.model(torch.tensor(images, device=device).permute(0, 3, 1, 2))
        return np.asarray(features.cpu(), dtype=np.float32)


def inception_v3(weights: Path | None = None, device: str = "cpu") -> InceptionExtractor:
    """Build "inception-v3" with ``weights`` (torch-fidelity's weights-inception-2015-12-05-6726825d.pth).

    Without a path they come from torch hub's cache, or the net. Raises MetricsError where they cannot be had,
    hold anything but tensors, or do not fit.
    """
    # Imported here, because it takes seconds and only Inception users should wait.
    from torch_fidelity.feature_extractor_inceptionv3 import URL_INCEPTION_V3, FeatureExtractorInceptionV3

    try:
        # The network's own loader unpickles whatever it finds; these raise for anything but tensors.
        if weights is None:
            torch.hub.load_state_dict_from_url(URL_INCEPTION_V3, map_location="cpu", weights_only=True)
        else:
            torch.load(weights, map_location="cpu", weights_only=True)
        path = None if weights is None else str(weights)
        model = FeatureExtractorInceptionV3("inception-v3", [_LAYER], feature_extractor_weights_path=path)
    except Exception as error:  # sockets, pickle, torch: each has its own type, all mean the same here
        source = "torch hub (give the file by path where there is no network)" if weights is None else weights
        raise MetricsError(f"inception-v3: cannot load weights from {source}: {one_line(error)}") from error
    return InceptionExtractor("inception-v3", module_digest(model), int(_LAYER), model.to(device))
