"""Normally distributed latents: the optimal denoiser and the solution of the ODE have a closed form.

For x_0 ~ N(mu, s^2), latents of signal power a are N(sqrt(a) mu, a s^2 + 1 - a), and the optimal prediction
of eps is linear in x. The empty prompt has mean 0, so guidance by w gives the denoiser of N(w mu, s^2).
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sdbench.core.digest import digest_value
from sdbench.regression.subject import Unet
from sdbench.regression.testbeds._testbed import ClosedFormTestbed, signal_power

__all__ = ["GaussianTestbed"]

PROMPTS = 512
SPREAD = (0.3, 0.6, 0.9, 1.2)
"""Standard deviation of x_0 in each channel, below and above that of the noise."""

MEAN_SPREAD = 0.4
"""Standard deviation of the prompts' means, which are centred on 0."""


class GaussianTestbed(ClosedFormTestbed):
    """512 prompts, each with its own mean; latents [4, 4, 4]."""

    prompts = tuple(f"mean {number}" for number in range(PROMPTS))

    def __init__(self, device: str = "cpu") -> None:
        super().__init__(device)
        means = np.random.default_rng(0).normal(scale=MEAN_SPREAD, size=(PROMPTS, 1, len(SPREAD)))
        self.means = torch.from_numpy(means.astype(np.float32))

    @property
    def digest(self) -> str:
        """Digest of the means and standard deviations."""
        return digest_value(["gaussian", self.means.flatten().tolist(), SPREAD])

    def unet(self, dtype: torch.dtype) -> Unet:
        """Return the posterior mean of eps."""
        variance = torch.tensor(SPREAD, dtype=torch.float64, device=self.device).reshape(4, 1, 1) ** 2

        def denoise(x: Tensor, t: Tensor, context: Tensor) -> Tensor:
            power = signal_power(self.schedule, t).reshape(-1, 1, 1, 1)
            mean = context[:, 0, :, None, None]
            slope = (1 - power).sqrt() / (power * variance + 1 - power)
            return slope.to(dtype) * (x - power.sqrt().to(dtype) * mean)

        return denoise

    def power_at(self, t: Tensor) -> Tensor:
        """Return the signal power at timesteps [B], float64 [B]."""
        return signal_power(self.schedule, t)

    def standardise(self, x: Tensor, power: Tensor, context: Tensor) -> Tensor:
        """Convert latents [B, 4, 4, 4] of signal power [B] to quantiles, which are constant along the ODE."""
        power = power.double().reshape(-1, 1, 1, 1)
        variance = torch.tensor(SPREAD, dtype=torch.float64).reshape(4, 1, 1) ** 2
        return (x - power.sqrt() * context[:, 0, :, None, None]) / (power * variance + 1 - power).sqrt()

    def contexts(self, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        """Return the means themselves, and 0 for the empty prompt."""
        means = self.means.to(self.device, dtype)
        return means, torch.zeros_like(means[:1])

    def scores(self, features: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return the mean log density of the prompt's distribution, up to a constant."""
        mean, square = np.split(features.astype(np.float64), 2, axis=1)
        mu, variance = self._moments()
        return -((square - 2 * mu * mean + mu**2) / (2 * variance)).mean(axis=1)

    def distances(self, features: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return the Euclidean distance to the moments of the prompt's distribution."""
        mu, variance = self._moments()
        expected = np.concatenate([mu, mu**2 + variance], axis=1)
        return np.asarray(np.linalg.norm(features - expected, axis=1))

    def _moments(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        variance = np.broadcast_to(np.square(SPREAD[:3]), (PROMPTS, 3))
        return self.means[:, 0, :3].double().numpy(), variance
