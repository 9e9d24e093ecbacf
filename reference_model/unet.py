"""The denoising UNet with cross-attention (Rombach et al. 2022, figure 3).

Module names follow the published checkpoints, so that their state dict loads unchanged. SiLU runs in place
on the GroupNorm output, which nothing else reads: this saves an allocation and, on a CPU, time.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reference_model.attention import Context, SpatialTransformer
from reference_model.config import UNetConfig
from reference_model.layers import GroupNorm, Upsample, tiled

__all__ = ["UNet", "timestep_embedding"]


def timestep_embedding(timesteps: Tensor, dim: int, max_period: float = 10000.0) -> Tensor:
    """Sinusoidal embedding of timesteps [B], integer or fractional -> float32 [B, dim], cosines first.

    Vaswani et al. 2017, section 3.5, as used by Ho et al. 2020.
    """
    half = dim // 2
    exponents = torch.arange(half, dtype=torch.float32, device=timesteps.device) / half
    angles = timesteps[:, None].float() * torch.exp(-math.log(max_period) * exponents)[None]
    return torch.cat([torch.cos(angles), torch.sin(angles)], dim=-1)


class ResBlock(nn.Module):
    """Residual block: two convolutions with the timestep embedding added between them."""

    def __init__(self, channels: int, emb_channels: int, out_channels: int, groups: int) -> None:
        super().__init__()
        self.in_layers = nn.Sequential(
            GroupNorm(groups, channels),
            nn.SiLU(inplace=True),
            nn.Conv2d(channels, out_channels, 3, padding=1),
        )
        self.emb_layers = nn.Sequential(nn.Identity(), nn.Linear(emb_channels, out_channels))
        self.out_layers = nn.Sequential(
            GroupNorm(groups, out_channels),
            nn.SiLU(inplace=True),
            nn.Identity(),
            nn.Conv2d(out_channels, out_channels, 3, padding=1),
        )
        same = channels == out_channels
        self.skip_connection = nn.Identity() if same else nn.Conv2d(channels, out_channels, 1)

    def forward(self, x: Tensor, emb: Tensor) -> Tensor:
        h = self.in_layers(x)
        h.add_(self.emb_layers(tiled(emb, len(h)))[:, :, None, None])
        return self.out_layers(h).add_(self.skip_connection(x))


class Downsample(nn.Module):
    """Halve the feature map with a strided convolution."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.op = nn.Conv2d(channels, channels, 3, stride=2, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return self.op(x)


class Stage(nn.Sequential):
    """Layers in sequence; each receives the timestep embedding or the context if it uses it."""

    def forward(  # type: ignore[override]
        self, x: Tensor, emb: Tensor, context: Tensor | Context
    ) -> Tensor:
        for layer in self:
            if isinstance(layer, ResBlock):
                x = layer(x, emb)
            elif isinstance(layer, SpatialTransformer):
                x = layer(x, context)
            else:
                x = layer(x)
        return x


class UNet(nn.Module):
    """Predict the noise in latents.

    Shapes: x [B, in_channels, h, w]; timesteps [B]; context [B, L, context_dim] -> [B, out_channels, h, w].
    The context may have k B rows, one block of B rows per condition: the layers before the first
    cross-attention then run once for all conditions, and the result has k B rows.
    """

    def __init__(self, config: UNetConfig) -> None:
        super().__init__()
        c = config
        self.config = c
        emb_channels = 4 * c.model_channels
        widths = [int(m * c.model_channels) for m in c.channel_mult]
        levels = range(len(widths))

        def layers(channels: int, out_channels: int, factor: int) -> list[nn.Module]:
            block: list[nn.Module] = [ResBlock(channels, emb_channels, out_channels, c.norm_groups)]
            if factor in c.attention_resolutions:
                block.append(attention(out_channels))
            return block

        def attention(channels: int) -> SpatialTransformer:
            return SpatialTransformer(
                channels, c.context_dim, c.num_heads, c.transformer_depth, c.norm_groups
            )

        self.time_embed = nn.Sequential(
            nn.Linear(c.model_channels, emb_channels), nn.SiLU(), nn.Linear(emb_channels, emb_channels)
        )

        channels = c.model_channels
        down = [Stage(nn.Conv2d(c.in_channels, channels, 3, padding=1))]
        skips = [channels]
        for level in levels:
            for _ in range(c.num_res_blocks):
                down.append(Stage(*layers(channels, widths[level], 2**level)))
                channels = widths[level]
                skips.append(channels)
            if level != levels[-1]:
                down.append(Stage(Downsample(channels)))
                skips.append(channels)
        self.input_blocks = nn.ModuleList(down)

        self.middle_block = Stage(
            ResBlock(channels, emb_channels, channels, c.norm_groups),
            attention(channels),
            ResBlock(channels, emb_channels, channels, c.norm_groups),
        )

        up = []
        for level in reversed(levels):
            for i in range(c.num_res_blocks + 1):
                block = layers(channels + skips.pop(), widths[level], 2**level)
                channels = widths[level]
                if level and i == c.num_res_blocks:
                    block.append(Upsample(channels))
                up.append(Stage(*block))
        self.output_blocks = nn.ModuleList(up)

        self.out = nn.Sequential(
            GroupNorm(c.norm_groups, channels),
            nn.SiLU(inplace=True),
            nn.Conv2d(channels, c.out_channels, 3, padding=1),
        )

    def forward(self, x: Tensor, timesteps: Tensor, context: Tensor | Context) -> Tensor:
        emb = self.time_embed(timestep_embedding(timesteps, self.config.model_channels).to(x.dtype))
        emb = F.silu(emb)  # the first layer of every block's emb_layers
        skips = []
        for block in self.input_blocks:
            x = block(x, emb, context)
            skips.append(x)
        x = self.middle_block(x, emb, context)
        for block in self.output_blocks:
            x = block(torch.cat([x, tiled(skips.pop(), len(x))], dim=1), emb, context)
        return self.out(x)
