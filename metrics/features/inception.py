"""The Inception v3 network that FID is defined on, in torch-fidelity's port of the original graph.

Szegedy et al., "Rethinking the Inception architecture for computer vision" (2016), as the 2015-12-05 frozen
graph of Heusel et al. (2017): 1008 outputs, and other pooling than torchvision's. Three extractors share the
network and differ in how they resize images to 299x299 pixels.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from metrics.errors import MetricsError
from metrics.features.base import module_digest, one_line
from metrics.preprocess import check_images, crop_and_resize, resize_float

__all__ = ["InceptionExtractor", "by_way_of_256", "inception_v3", "like_clean_fid", "like_tensorflow"]

_EDGE = 299
_FEATURES = 2048
Resize = Callable[[NDArray[np.uint8], str], torch.Tensor]


@dataclass(frozen=True, eq=False)
class InceptionExtractor:
    """The 2048 features of the last pooling layer.

    ``resize`` takes images uint8 [B, H, W, 3] and a device to float32 [B, 3, 299, 299] in 0..255; ``trunk``
    takes these, scaled to -1..1, to features [B, 2048].
    """

    name: str
    digest: str
    dim: int
    resize: Resize
    trunk: torch.nn.Module
    device: str

    @torch.inference_mode()
    def images(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return the features [B, 2048] of images uint8 [B, H, W, 3]."""
        check_images(images)
        features = self.trunk((self.resize(images, self.device) - 128) / 128)
        return np.asarray(features.cpu(), dtype=np.float32)


def inception_v3(
    name: str, resize: Resize, weights: Path | None = None, device: str = "cpu"
) -> InceptionExtractor:
    """Build an extractor that resizes with ``resize``, with ``weights`` of torch-fidelity.

    The file is weights-inception-2015-12-05-6726825d.pth; without a path it comes from torch hub's cache or
    the network. Raises MetricsError if it is unavailable, holds anything but tensors, or does not fit.
    """
    digest, trunk = _load(weights, device)
    return InceptionExtractor(name, digest, _FEATURES, resize, trunk, device)


def like_tensorflow(images: NDArray[np.uint8], device: str) -> torch.Tensor:
    """Resize as the 2015 graph did: bilinear, with TensorFlow 1's corner alignment, without antialiasing."""
    from torch_fidelity.interpolate_compat_tensorflow import interpolate_bilinear_2d_like_tensorflow1x

    pixels = torch.tensor(images, device=device).permute(0, 3, 1, 2).float()
    resized: torch.Tensor = interpolate_bilinear_2d_like_tensorflow1x(
        pixels, size=(_EDGE, _EDGE), align_corners=False
    )
    return resized


def like_clean_fid(images: NDArray[np.uint8], device: str) -> torch.Tensor:
    """Resize as clean-fid does: bicubic, antialiased, in float32."""
    return torch.tensor(resize_float(images, _EDGE), device=device).permute(0, 3, 1, 2)


def by_way_of_256(images: NDArray[np.uint8], device: str) -> torch.Tensor:
    """Resize to a central square of 256 pixels first, then as TensorFlow 1 does."""
    return like_tensorflow(crop_and_resize(images, 256), device)


@cache
def _load(weights: Path | None, device: str) -> tuple[str, torch.nn.Module]:
    """Return the digest and the network up to the last pooling; cached for the three extractors."""
    # Here, since it takes seconds to import and only Inception users should wait.
    from torch_fidelity.feature_extractor_inceptionv3 import URL_INCEPTION_V3, FeatureExtractorInceptionV3

    try:
        # The network's own loader unpickles anything; these calls raise unless the file holds only tensors.
        if weights is None:
            torch.hub.load_state_dict_from_url(URL_INCEPTION_V3, map_location="cpu", weights_only=True)
        else:
            torch.load(weights, map_location="cpu", weights_only=True)
        path = None if weights is None else str(weights)
        model = FeatureExtractorInceptionV3(
            "inception-v3", [str(_FEATURES)], feature_extractor_weights_path=path
        )
    except Exception as error:  # sockets, pickle and torch raise their own types
        source = "torch hub (without a network, pass the path of the file)" if weights is None else weights
        raise MetricsError(f"inception-v3: cannot load weights from {source}: {one_line(error)}") from error
    # Its own forward accepts only 8-bit pixels; its layers are listed in the order of application.
    layers = [layer for name, layer in model.named_children() if name != "fc"]
    return module_digest(model), torch.nn.Sequential(*layers, torch.nn.Flatten()).to(device)
