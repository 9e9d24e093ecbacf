"""Layers that several networks share."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["GroupNorm", "Upsample", "embedding", "tiled"]


class GroupNorm(nn.GroupNorm):
    """torch's GroupNorm; compiled networks call ``when_compiled`` (like `F.group_norm`) if it is set."""

    when_compiled: Callable[..., Tensor] | None = None

    def forward(self, x: Tensor) -> Tensor:
        if self.when_compiled is not None and torch.compiler.is_compiling():
            return self.when_compiled(x, self.num_groups, self.weight, self.bias, self.eps)
        return super().forward(x)


class Upsample(nn.Module):
    """Double a feature map by nearest neighbour, then convolve: [B, C, H, W] -> [B, C, 2H, 2W]."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        if x.is_cpu and x.is_contiguous():
            # torch's own kernel copies to channels_last and back, which takes seven times as long.
            return self.conv(x.repeat_interleave(2, dim=3).repeat_interleave(2, dim=2))
        return self.conv(F.interpolate(x, scale_factor=2.0, mode="nearest"))


def embedding(count: int, dim: int) -> nn.Embedding:
    """nn.Embedding with its usual initial weights; on the meta device, avoids importing torch's compiler."""
    weight = torch.empty(count, dim)
    if not weight.is_meta:
        nn.init.normal_(weight)
    return nn.Embedding.from_pretrained(weight, freeze=False)


def tiled(x: Tensor, rows: int) -> Tensor:
    """Repeat the whole batch x [B, ...] until it has ``rows`` rows, a multiple of B."""
    return x if len(x) == rows else torch.cat([x] * (rows // len(x)))
