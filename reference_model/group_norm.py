"""Group normalisation (Wu and He 2018) of channels_last feature maps, for networks compiled on a GPU.

torch's compiler splits a sum over a group's channels and all positions badly if channels are innermost. Here
it sums tiles of neighbouring positions channel by channel, as they lie in memory, and merges the moments of
equally large tiles. These are plain torch operations, so the compiler fuses what comes before and after.
"""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["group_norm"]

LARGEST_TILE = 64
"""Most positions per tile; a reduction of this length stays in the registers of a GPU's processor."""


def group_norm(x: Tensor, groups: int, weight: Tensor, bias: Tensor, eps: float) -> Tensor:
    """Group norm of x [B, C, H, W], computed in float32, rounded to x's type; weight, bias [C].

    Tiles have equal counts, so that the merged mean is the mean of the means, and the merged variance the
    mean of the variances plus the variance of the means (Chan, Golub and LeVeque 1983): no large sums are
    subtracted.
    """
    batch, channels, height, width = x.shape
    positions = height * width
    tile = max(size for size in range(1, LARGEST_TILE + 1) if positions % size == 0)
    tiles = x.permute(0, 2, 3, 1).reshape(batch, positions // tile, tile, channels).float()
    variances, means = (m.unflatten(2, (groups, -1)) for m in torch.var_mean(tiles, dim=2, correction=0))
    variance, mean = torch.var_mean(means, dim=(1, 3), correction=0)
    scale = torch.rsqrt(variances.mean(dim=(1, 3)) + variance + eps)
    of_groups = (batch, groups, 1, 1, 1)
    normal = (x.float().unflatten(1, (groups, -1)) - mean.view(of_groups)) * scale.view(of_groups)
    return (normal.flatten(1, 2) * weight[:, None, None] + bias[:, None, None]).to(x.dtype)
