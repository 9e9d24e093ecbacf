"""Rectified flow on the data of the closed-form testbeds: the exact velocity has a closed form, too.

Latents at noise level s are x = (1 - s) x_0 + s eps (Lipman et al. 2023). For x_0 ~ N(mu, d^2) they are
N((1 - s) mu, (1 - s)^2 d^2 + s^2), and the velocity E[eps - x_0 | x] is linear in x; in a mixture, mu is the
mean of the components' centres, each weighted by its share of the posterior at x.
"""

from __future__ import annotations

import torch
from torch import Tensor

from sdbench.core.digest import digest_value
from sdbench.regression.subject import Unet
from sdbench.regression.testbeds import gaussian, mixture
from sdbench.regression.testbeds.gaussian import GaussianTestbed
from sdbench.regression.testbeds.mixture import MixtureTestbed

__all__ = ["FlowGaussianTestbed", "FlowMixtureTestbed"]


class FlowGaussianTestbed(GaussianTestbed):
    """The prompts of `GaussianTestbed`; the denoiser predicts the velocity at timesteps T s."""

    @property
    def digest(self) -> str:
        """Digest of the data and of the word flow."""
        return digest_value(["flow", super().digest])

    def unet(self, dtype: torch.dtype) -> Unet:
        """Return the exact velocity."""
        variance = (
            torch.tensor(gaussian.SPREAD, dtype=torch.float64, device=self.device).reshape(4, 1, 1) ** 2
        )

        def denoise(x: Tensor, t: Tensor, context: Tensor) -> Tensor:
            level = self._level(t)
            return _velocity(x, level, context[:, 0, :, None, None], variance)

        return denoise

    def power_at(self, t: Tensor) -> Tensor:
        """Return the squared factor of x_0 at timesteps [B], float64 [B]."""
        return (1 - self._level(t).flatten()) ** 2

    def standardise(self, x: Tensor, power: Tensor, context: Tensor) -> Tensor:
        """Convert latents [B, 4, 4, 4] with x_0's squared factor [B] to quantiles, constant along the ODE."""
        signal = power.double().sqrt().reshape(-1, 1, 1, 1)
        variance = torch.tensor(gaussian.SPREAD, dtype=torch.float64).reshape(4, 1, 1) ** 2
        spread = (signal**2 * variance + (1 - signal) ** 2).sqrt()
        return (x - signal * context[:, 0, :, None, None]) / spread

    def _level(self, t: Tensor) -> Tensor:
        return t.double().reshape(-1, 1, 1, 1) / self.schedule.config.timesteps


class FlowMixtureTestbed(MixtureTestbed):
    """The prompts of `MixtureTestbed`; the denoiser predicts the velocity at timesteps T s."""

    @property
    def digest(self) -> str:
        """Digest of the data and of the word flow."""
        return digest_value(["flow", super().digest])

    def unet(self, dtype: torch.dtype) -> Unet:
        """Return the exact velocity."""
        centres = self.centres.to(self.device, dtype)
        variance = torch.tensor(mixture.SPREAD**2, dtype=torch.float64, device=self.device)

        def denoise(x: Tensor, t: Tensor, context: Tensor) -> Tensor:
            level = t.double().reshape(-1, 1, 1, 1) / self.schedule.config.timesteps
            signal = (1 - level).to(dtype)
            total = ((1 - level) ** 2 * variance + level**2).to(dtype)
            offsets = x[:, None] - signal[:, None] * centres[None, :, :, None, None]
            fits = -(offsets**2).sum(dim=2) / (2 * total)
            shares = (fits + context[:, 0, :, None, None]).softmax(dim=1)
            return _velocity(x, level, torch.einsum("bkhw,kc->bchw", shares, centres), variance)

        return denoise


def _velocity(x: Tensor, level: Tensor, mean: Tensor, variance: Tensor) -> Tensor:
    """Return E[eps - x_0 | x] for x_0 ~ N(mean, variance) at noise level [B, 1, 1, 1]."""
    signal = 1 - level
    slope = (level - signal * variance) / (signal**2 * variance + level**2)
    return slope.to(x.dtype) * (x - signal.to(x.dtype) * mean) - mean
