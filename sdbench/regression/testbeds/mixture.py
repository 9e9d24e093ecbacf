"""A mixture of four normal distributions at each pixel: its denoiser has a closed form and is not linear.

A prompt makes one component likely; for the empty prompt all are equally likely.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sdbench.core.digest import digest_value
from sdbench.regression.subject import Unet
from sdbench.regression.testbeds._testbed import ClosedFormTestbed, signal_power

__all__ = ["MixtureTestbed"]

PROMPTS = 512
CENTRES = ((1.2, 1.2, 1.2, 1.2), (1.2, -1.2, -1.2, 1.2), (-1.2, 1.2, -1.2, -1.2), (-1.2, -1.2, 1.2, -1.2))
SPREAD = 0.5
LIKELY, UNLIKELY = 0.7, 0.1
"""Probability of the component that a prompt names, and of each of the others."""


class MixtureTestbed(ClosedFormTestbed):
    """512 prompts, each naming one of four components; latents [4, 4, 4]."""

    prompts = tuple(f"component {number % 4}" for number in range(PROMPTS))

    def __init__(self, device: str = "cpu") -> None:
        super().__init__(device)
        self.centres = torch.tensor(CENTRES, dtype=torch.float64)
        named = torch.nn.functional.one_hot(torch.arange(PROMPTS) % 4, 4).double()
        self.weights = UNLIKELY + (LIKELY - UNLIKELY) * named

    @property
    def digest(self) -> str:
        """Digest of the components and the prompts' weights."""
        return digest_value(["mixture", CENTRES, SPREAD, LIKELY, UNLIKELY])

    def unet(self, dtype: torch.dtype) -> Unet:
        """Return the posterior mean of eps."""
        centres = self.centres.to(self.device, dtype)

        def denoise(x: Tensor, t: Tensor, context: Tensor) -> Tensor:
            power = signal_power(self.schedule, t).reshape(-1, 1, 1, 1)
            variance = (power * SPREAD**2 + 1 - power).to(dtype)
            root = power.sqrt().to(dtype)
            offsets = x[:, None] - root[:, None] * centres[None, :, :, None, None]
            fits = -(offsets**2).sum(dim=2) / (2 * variance)
            shares = (fits + context[:, 0, :, None, None]).softmax(dim=1)
            expected = torch.einsum("bkhw,kc->bchw", shares, centres)
            return (1 - power).sqrt().to(dtype) / variance * (x - root * expected)

        return denoise

    def contexts(self, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        """Return the logarithms of the components' weights."""
        named = self.weights.log()[:, None].to(self.device, dtype)
        return named, torch.full((1, 1, 4), 0.25, device=self.device, dtype=dtype).log()

    def scores(self, features: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return the mean log density of the named component, up to a constant."""
        mean, square = np.split(features.astype(np.float64), 2, axis=1)
        named = self.centres[self.weights.argmax(dim=1), :3].numpy()
        return -((square - 2 * named * mean + named**2) / (2 * SPREAD**2)).mean(axis=1)

    def distances(self, features: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return the Euclidean distance to the moments of the prompt's mixture."""
        centres, weights = self.centres[:, :3].numpy(), self.weights.numpy()
        expected = np.concatenate([weights @ centres, weights @ (centres**2 + SPREAD**2)], axis=1)
        return np.asarray(np.linalg.norm(features - expected, axis=1))
