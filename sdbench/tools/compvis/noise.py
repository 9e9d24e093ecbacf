"""Noise as the original scripts draw it: batch by batch, from one generator on the model's device."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

__all__ = ["BatchNoise"]


class BatchNoise:
    """Draws standard normal float32 tensors of one shape, [n_samples, C, h, w].

    Each draw covers a full batch: an image in a short last batch gets the same noise as in a full one.
    """

    def __init__(self, seed: int, device: str, shape: Sequence[int]) -> None:
        self._device = device
        self._generator = torch.Generator(device).manual_seed(seed)
        self._shape = tuple(shape)
        self.drawn = 0

    def __call__(self) -> Tensor:
        self.drawn += 1
        return torch.randn(self._shape, generator=self._generator, device=self._device)

    def advance_to(self, draws: int) -> None:
        """Draw and discard until `draws` tensors have been drawn in total.

        The original draws noise for every step, even if it is multiplied by zero, and the next batch's noise
        after it.
        """
        while self.drawn < draws:
            self()
