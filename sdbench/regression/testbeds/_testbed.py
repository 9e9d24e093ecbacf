"""The interface of a testbed, and what testbeds with a closed form share."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from reference_model.config import ScheduleConfig
from reference_model.schedule import Schedule
from sdbench.regression.subject import Unet

__all__ = ["ClosedFormTestbed", "Testbed", "signal_power"]

PIXELS_PER_UNIT = 1 / 3
"""Images of a closed-form testbed show latents from -3 to 3; the few values outside are clamped."""


class Testbed(Protocol):
    """A denoiser, n prompts, and two metrics of each image: a score for its prompt, a distance to true data.

    The denoiser runs on the testbed's device, the metrics on the CPU. ``shape`` is (C, h, w) of the latents
    of one image.
    """

    prompts: tuple[str, ...]
    shape: tuple[int, int, int]
    schedule: Schedule

    @property
    def budget_prompts(self) -> int:
        """How many prompts, from the first on, are run in float64 for the error budget."""

    @property
    def digest(self) -> str:
        """Identity of data and weights; differs whenever results may differ."""

    def unet(self, dtype: torch.dtype) -> Unet:
        """Return the denoiser in a precision."""

    def contexts(self, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        """Return the contexts of all prompts [n, L, D] and of the empty prompt [1, L, D]."""

    def decode(self, latents: Tensor) -> Tensor:
        """Decode latents [B, C, h, w] to images [B, 3, H, W], about [-1, 1], in the latents' precision."""

    def features(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return features [n, d] of images uint8 [n, H, W, 3], one per prompt in order."""

    def scores(self, features: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return how well each image fits its prompt [n]; higher is better."""

    def distances(self, features: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return the distance of each image's features from those of true data of its prompt [n]."""


def signal_power(schedule: Schedule, timesteps: Tensor) -> Tensor:
    """Return alpha at timesteps [B], float64 [B], with the logarithm interpolated linearly."""
    logs = schedule.alphas_cumprod.log().numpy()
    powers = np.exp(np.interp(timesteps.double().cpu().numpy(), np.arange(len(logs)), logs))
    return torch.from_numpy(powers).to(timesteps.device)


class ClosedFormTestbed:
    """Base of testbeds with a closed form. Latents are [4, 4, 4]; images show the first three channels.

    All prompts are run for the error budget: they are cheap, and in a mixture a few pixels are between two
    components.
    """

    shape = (4, 4, 4)

    prompts: tuple[str, ...]

    def __init__(self, device: str = "cpu") -> None:
        self.schedule = Schedule(ScheduleConfig())
        self.device = device

    @property
    def budget_prompts(self) -> int:
        """All prompts."""
        return len(self.prompts)

    def decode(self, latents: Tensor) -> Tensor:
        """Return the first three channels of latents [B, 4, h, w] as images [B, 3, h, w]."""
        return latents[:, :3] * PIXELS_PER_UNIT

    def features(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return mean and mean square of each channel of uint8 [n, H, W, 3], in latent units [n, 6]."""
        values = ((images + 0.5) / 127.5 - 1) / PIXELS_PER_UNIT
        moments = [values.mean(axis=(1, 2)), (values**2).mean(axis=(1, 2))]
        return np.concatenate(moments, axis=1, dtype=np.float32)
