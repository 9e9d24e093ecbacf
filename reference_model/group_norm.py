"""Group normalisation (Wu and He 2018) of channels_last feature maps, for networks compiled on a GPU.

torch's compiler splits a sum over a group's channels and all positions badly if channels are innermost.
Here an image is a matrix of positions and channels, split into tiles: a Triton kernel computes the moments of
each channel in each tile in one pass over memory. Merging the moments, normalising and what follows (such as
SiLU) are torch operations, which the compiler fuses into one small kernel and one more pass over memory.
Importing this module raises ImportError if Triton, or torch's support for it, is missing.
"""

from __future__ import annotations

import torch
import triton
from torch import Tensor
from torch.library import triton_op, wrap_triton
from triton import language as tl

__all__ = ["group_norm", "tile_moments"]

ROWS, COLUMNS = 128, 64
"""Positions and channels per tile: powers of two, as Triton requires."""


@triton.jit
def _tile_moments(x, means, squares, positions, channels, rows: tl.constexpr, columns: tl.constexpr):  # type: ignore[no-untyped-def]
    across = tl.cdiv(channels, columns)
    tile, image = tl.program_id(0) // across, tl.program_id(1)
    row, channel = tl.arange(0, rows), tl.program_id(0) % across * columns + tl.arange(0, columns)
    count = tl.minimum(positions - tile * rows, rows)
    inside = (row < count)[:, None] & (channel < channels)[None, :]
    corner = (image.to(tl.int64) * positions + tile * rows) * channels
    values = tl.load(x + corner + row[:, None] * channels + channel[None, :], inside, 0.0).to(tl.float32)
    mean = tl.sum(values, axis=0) / count
    deviations = tl.where(inside, values - mean[None, :], 0.0)
    place = (image * tl.cdiv(positions, rows) + tile) * channels + channel
    tl.store(means + place, mean, channel < channels)
    tl.store(squares + place, tl.sum(deviations * deviations, axis=0), channel < channels)


@triton_op("reference_model::tile_moments", mutates_args=())
def tile_moments(x: Tensor) -> tuple[Tensor, Tensor]:
    """Moments of each channel of x [B, C, H, W] per tile of ROWS positions; the last may have fewer.

    Returns:
        Means and sums of the squared deviations from them, each float32 [B, ceil(H W / ROWS), C].
    """
    x = x.contiguous(memory_format=torch.channels_last)
    images, channels, height, width = x.shape
    tiles = triton.cdiv(height * width, ROWS)
    means = torch.empty(images, tiles, channels, dtype=torch.float32, device=x.device)
    squares = torch.empty_like(means)
    grid = (tiles * triton.cdiv(channels, COLUMNS), images)
    wrap_triton(_tile_moments)[grid](x, means, squares, height * width, channels, ROWS, COLUMNS)
    return means, squares


def group_norm(x: Tensor, groups: int, weight: Tensor, bias: Tensor, eps: float) -> Tensor:
    """Group norm of x [B, C, H, W], computed in float32, rounded to x's type; weight, bias [C]; no gradients.

    The formula of Chan, Golub and LeVeque (1983) merges the moments of tiles and channels without
    subtracting large sums.
    """
    positions = x.shape[2] * x.shape[3]
    means, squares = (moments.unflatten(2, (groups, -1)) for moments in tile_moments(x))
    first = ROWS * torch.arange(means.shape[1], device=x.device)
    counts = (positions - first).clamp(max=ROWS)[:, None, None]
    total = positions * means.shape[3]
    mean = (counts * means).sum(dim=(1, 3), keepdim=True) / total
    variance = (squares + counts * (means - mean).square()).sum(dim=(1, 3)) / total
    scale = torch.rsqrt(variance + eps)[:, :, None, None, None]
    normal = (x.float().unflatten(1, (groups, -1)) - mean.view(scale.shape)) * scale
    return (normal.flatten(1, 2) * weight[:, None, None] + bias[:, None, None]).to(x.dtype)
