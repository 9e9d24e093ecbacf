"""The embedded family's last checkpoint, judged by its own CLIP: quality on a trained model, in a minute."""

from __future__ import annotations

import copy
from functools import cached_property
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from metrics.features import TextExtractor
from reference_model import LatentDiffusion, load_checkpoint, shapes
from reference_model.autoencoder import Autoencoder
from reference_model.unet import UNet
from sdbench.digest import digest_value
from sdbench.extractors import build_extractor
from sdbench.regression.subject import Unet

__all__ = ["ShapesTestbed"]

PROMPTS = 32
SCENES_SEED = 0
IMAGE_SIZE = 64


class ShapesTestbed:
    """shapes-v1-4 on the captions of 32 clean scenes, whose pictures are the true data of the prompts."""

    def __init__(self) -> None:
        pictures, captions = shapes.reference_set(PROMPTS, SCENES_SEED)
        self.prompts = tuple(captions)
        self._model: LatentDiffusion = load_checkpoint(shapes.CHECKPOINTS["shapes-v1-4"], shapes.CONFIG)
        self._clip = cast(TextExtractor, build_extractor("shapes-clip", "cpu"))
        self._truth = _unit(self._clip.images(pictures))
        self._texts = _unit(self._clip.texts(captions))
        self.shape = self._model.config.latent_shape(IMAGE_SIZE, IMAGE_SIZE)
        self.schedule = self._model.schedule

    @cached_property
    def digest(self) -> str:
        """Of both models' weights and the prompts."""
        return digest_value([self._model.weights_digest, self._clip.digest, self.prompts])

    def unet(self, dtype: torch.dtype) -> Unet:
        """The UNet; the embedding of timesteps keeps its float32 values in any precision."""
        return self._model.unet if dtype == torch.float32 else self._double_unet

    def contexts(self, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        """From the text encoder."""
        context, uncond = self._contexts
        return context.to(dtype), uncond.to(dtype)

    def decode(self, latents: Tensor) -> Tensor:
        """Through the autoencoder."""
        single = latents.dtype == torch.float32
        autoencoder = self._model.first_stage_model if single else self._double_autoencoder
        return autoencoder.decode(latents / self._model.config.scale_factor)

    def features(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """CLIP features of the embedded CLIP."""
        return self._clip.images(images)

    def scores(self, features: NDArray[np.float32]) -> NDArray[np.float64]:
        """CLIP score: cosine of image and prompt."""
        return np.asarray((_unit(features) * self._texts).sum(axis=1))

    def distances(self, features: NDArray[np.float32]) -> NDArray[np.float64]:
        """1 - cosine of the image and the true picture of its prompt."""
        return np.asarray(1 - (_unit(features) * self._truth).sum(axis=1))

    @cached_property
    def _contexts(self) -> tuple[Tensor, Tensor]:
        return self._model.encode_prompts(list(self.prompts)), self._model.encode_prompts([""])

    @cached_property
    def _double_unet(self) -> UNet:
        unet = copy.deepcopy(self._model.unet).double()
        unet.time_embed.register_forward_pre_hook(lambda _, inputs: (inputs[0].double(),))
        return unet

    @cached_property
    def _double_autoencoder(self) -> Autoencoder:
        return copy.deepcopy(self._model.first_stage_model).double()


def _unit(rows: NDArray[np.float32]) -> NDArray[np.float64]:
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), dtype=np.float64)
