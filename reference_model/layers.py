"""What several networks share."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["Upsample", "tiled"]


class Upsample(nn.Module):
    """Double a feature map by nearest neighbour, then convolve: [B, C, H, W] -> [B, C, 2H, 2W]."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(F.interpolate(x, scale_factor=2.0, mode="nearest"))


def tiled(x: Tensor, rows: int) -> Tensor:
    """The batch x [B, ...] one time after the other until it has ``rows``, a multiple of B."""
    return x if len(x) == rows else torch.cat([x] * (rows // len(x)))
