"""The scale of plain guidance that each call of a guided walk amounts to, image by image."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

__all__ = ["EVERY", "ScaleLog", "plain_scale"]

EVERY = 4
"""A method that does not predict without the prompt has that prediction made for the log at one call in 4."""


def plain_scale(guided: Tensor, uncond: Tensor, cond: Tensor) -> Tensor:
    """Return <guided - uncond, d> / <d, d> with d = cond - uncond for each image: float64 [B].

    It is the scale of classifier-free guidance whose prediction is nearest to ``guided``: s itself for
    uncond + s d, 1 for the conditional half. Shapes: [B, C, h, w] each. NaN where both halves are equal.
    """
    difference = (cond - uncond).double().flatten(1)
    update = (guided - uncond).double().flatten(1)
    return torch.linalg.vecdot(update, difference) / torch.linalg.vecdot(difference, difference)


class ScaleLog:
    """Plain guidance scales of one walk of a batch. They stay on the device, so no call waits for it.

    Attributes:
        evaluations: Inputs that the denoiser evaluated for the log alone.
    """

    def __init__(self) -> None:
        self._calls: list[Tensor | tuple[int, float]] = []
        self.evaluations = 0

    def unguided(self, images: int) -> None:
        """Log a call of the conditional half alone: a scale of 1."""
        self._calls.append((images, 1.0))

    def guided(
        self, made: Tensor, cond: Tensor, uncond: Tensor | None, predict: Callable[[], Tensor]
    ) -> None:
        """Log a guided call; ``predict`` makes the unconditional half if it is not known, at some calls."""
        if uncond is None:
            if len(self._calls) % EVERY:
                self._calls.append((len(made), float("nan")))
                return
            uncond = predict()
            self.evaluations += len(uncond)
        self._calls.append(plain_scale(made, uncond, cond))

    def scales(self) -> Tensor:
        """Return the scale of each call, float32 [B, calls] on the CPU; NaN where it is not known."""
        device = next((call.device for call in self._calls if isinstance(call, Tensor)), torch.device("cpu"))
        calls = [
            call if isinstance(call, Tensor) else torch.full((call[0],), call[1], device=device)
            for call in self._calls
        ]
        return torch.stack([call.float() for call in calls], dim=1).cpu()
