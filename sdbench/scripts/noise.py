"""Noise as the original scripts draw it: batch by batch, from one generator on the model's device."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

__all__ = ["BatchNoise"]


class BatchNoise:
    """Standard normal float32 tensors of one shape, [n_samples, C, h, w].

    Every draw is of a whole batch, so that an image of a short last batch has the noise that its place
    in a full one would have.
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
        """Draw and throw away until `draws` tensors have been drawn in all.

        The original draws noise for every step, even where it is multiplied by zero; the noise of the next
        batch comes after it.
        """
        while self.drawn < draws:
            self()
