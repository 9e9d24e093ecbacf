"""What a testbed is, and what those with a closed form share."""

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
"""Images of a closed-form testbed show latents from -3 to 3; a few pixels lie outside and are clamped."""


class Testbed(Protocol):
    """A denoiser, n prompts, and two figures for each image: agreement with its prompt, and distance.

    What is run lies on its device, what judges on the CPU. ``digest`` changes when results may. ``shape`` is
    (C, h, w) of the latents of one image.
    """

    prompts: tuple[str, ...]
    shape: tuple[int, int, int]
    schedule: Schedule

    @property
    def budget_prompts(self) -> int:
        """How many prompts, from the first on, are run again for the error budget."""

    @property
    def digest(self) -> str:
        """Identity of the data and the weights."""

    def unet(self, dtype: torch.dtype) -> Unet:
        """The denoiser in that precision."""

    def contexts(self, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        """Of all prompts [n, L, D] and of the empty one [1, L, D]."""

    def decode(self, latents: Tensor) -> Tensor:
        """Latents [B, C, h, w] -> images [B, 3, H, W], about [-1, 1], in the precision of the latents."""

    def features(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Images uint8 [n, H, W, 3] of all prompts in order -> features [n, d]."""

    def scores(self, features: NDArray[np.float32]) -> NDArray[np.float64]:
        """How well each image fits its prompt [n], higher is better."""

    def distances(self, features: NDArray[np.float32]) -> NDArray[np.float64]:
        """How far each image's features lie from those of true data of its prompt [n]."""


def signal_power(schedule: Schedule, timesteps: Tensor) -> Tensor:
    """Alpha at timesteps [B], float64 [B]; between two of the schedule its logarithm is linear."""
    logs = schedule.alphas_cumprod.log().numpy()
    powers = np.exp(np.interp(timesteps.double().cpu().numpy(), np.arange(len(logs)), logs))
    return torch.from_numpy(powers).to(timesteps.device)


class ClosedFormTestbed:
    """What testbeds share whose denoiser has a closed form: latents [4, 4, 4], of which images show three.

    All prompts are rerun: they cost little, and on a mixture a few pixels stand between two components.
    """

    shape = (4, 4, 4)

    prompts: tuple[str, ...]

    def __init__(self, device: str = "cpu") -> None:
        self.schedule = Schedule(ScheduleConfig())
        self.device = device

    @property
    def budget_prompts(self) -> int:
        """All of them."""
        return len(self.prompts)

    def decode(self, latents: Tensor) -> Tensor:
        """The first three channels of latents [B, 4, h, w] as an image [B, 3, h, w]."""
        return latents[:, :3] * PIXELS_PER_UNIT

    def features(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Mean and mean square of each channel in latent units: [n, 6] from uint8 [n, H, W, 3]."""
        values = ((images + 0.5) / 127.5 - 1) / PIXELS_PER_UNIT
        moments = [values.mean(axis=(1, 2)), (values**2).mean(axis=(1, 2))]
        return np.concatenate(moments, axis=1, dtype=np.float32)
