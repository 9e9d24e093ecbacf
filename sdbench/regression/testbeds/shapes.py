"""The embedded family's last checkpoint, judged by its own CLIP: a trained model that runs in a minute."""

from __future__ import annotations

import copy
from functools import cache, cached_property
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from metrics.features import TextExtractor
from reference_model import LatentDiffusion, load_checkpoint, shapes
from reference_model.autoencoder import Autoencoder
from reference_model.unet import UNet
from sdbench.core.digest import digest_value
from sdbench.regression.subject import Unet
from sdbench.scoring.extractors import build_extractor

__all__ = ["ShapesTestbed"]

PROMPTS = 32
SCENES_SEED = 0
IMAGE_SIZE = 64


class ShapesTestbed:
    """shapes-v1-4 on the captions of 32 scenes, whose rendered images are the true data of the prompts."""

    budget_prompts = 8

    def __init__(self, device: str = "cpu") -> None:
        pictures, captions = shapes.reference_set(PROMPTS, SCENES_SEED)
        self.prompts = tuple(captions)
        self._model: LatentDiffusion = load_checkpoint(
            shapes.CHECKPOINTS["shapes-v1-4"], shapes.CONFIG, device=device
        )
        self._clip = cast(TextExtractor, build_extractor("shapes-clip", "cpu"))
        self._truth = _unit(self._clip.images(pictures))
        self._texts = _unit(self._clip.texts(captions))
        self.shape = self._model.config.latent_shape(IMAGE_SIZE, IMAGE_SIZE)
        self.schedule = self._model.schedule
        self._in = cache(self._converted)

    @cached_property
    def digest(self) -> str:
        """Digest of the weights of both models and of the prompts."""
        return digest_value([self._model.weights_digest, self._clip.digest, self.prompts])

    def unet(self, dtype: torch.dtype) -> Unet:
        """Return the UNet; timestep embeddings are computed in float32 in every precision."""
        return self._in(dtype)[0]

    def contexts(self, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        """Return the text encoder's outputs."""
        context, uncond = self._contexts
        return context.to(dtype), uncond.to(dtype)

    def decode(self, latents: Tensor) -> Tensor:
        """Decode with the autoencoder."""
        return self._in(latents.dtype)[1].decode(latents / self._model.config.scale_factor)

    def features(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return image features of the embedded CLIP."""
        return self._clip.images(images)

    def scores(self, features: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return the CLIP score: the cosine between image and prompt."""
        return np.asarray((_unit(features) * self._texts).sum(axis=1))

    def distances(self, features: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return 1 - cosine between the image and the true image of its prompt."""
        return np.asarray(1 - (_unit(features) * self._truth).sum(axis=1))

    @cached_property
    def _contexts(self) -> tuple[Tensor, Tensor]:
        return self._model.encode_prompts(list(self.prompts)), self._model.encode_prompts([""])

    def _converted(self, dtype: torch.dtype) -> tuple[UNet, Autoencoder]:
        """Return copies of UNet and autoencoder in a precision; the originals for float32."""
        unet, autoencoder = self._model.unet, self._model.first_stage_model
        if dtype == torch.float32:
            return unet, autoencoder
        unet, autoencoder = copy.deepcopy(unet).to(dtype), copy.deepcopy(autoencoder).to(dtype)
        unet.time_embed.register_forward_pre_hook(lambda _, inputs: (inputs[0].to(dtype),))
        return unet, autoencoder


def _unit(rows: NDArray[np.float32]) -> NDArray[np.float64]:
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), dtype=np.float64)
