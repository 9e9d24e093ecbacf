"""The KL autoencoder between pixels and latents (Rombach et al. 2022, section 3.1).

Module names follow the published checkpoints, so that their state dict loads unchanged.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reference_model.config import AutoencoderConfig
from reference_model.layers import GroupNorm, Upsample

__all__ = ["Autoencoder", "Posterior"]


@dataclass(frozen=True)
class Posterior:
    """Diagonal Gaussian over latents; ``mean`` and ``logvar`` are [B, C, h, w]."""

    mean: Tensor
    logvar: Tensor

    @property
    def std(self) -> Tensor:
        """Standard deviation, [B, C, h, w]."""
        return torch.exp(0.5 * self.logvar)


class ResnetBlock(nn.Module):
    """Residual block of two convolutions: [B, C, H, W] -> [B, out, H, W]."""

    def __init__(self, channels: int, out_channels: int, groups: int) -> None:
        super().__init__()
        self.norm1 = GroupNorm(groups, channels, eps=1e-6)
        self.conv1 = nn.Conv2d(channels, out_channels, 3, padding=1)
        self.norm2 = GroupNorm(groups, out_channels, eps=1e-6)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, padding=1)
        self.nin_shortcut = (
            nn.Identity() if channels == out_channels else nn.Conv2d(channels, out_channels, 1)
        )

    def forward(self, x: Tensor) -> Tensor:
        h = self.conv1(F.silu(self.norm1(x), inplace=True))
        h = self.conv2(F.silu(self.norm2(h), inplace=True))
        return h.add_(self.nin_shortcut(x))


class AttnBlock(nn.Module):
    """Single-head self-attention over positions, with a residual connection."""

    def __init__(self, channels: int, groups: int) -> None:
        super().__init__()
        self.norm = GroupNorm(groups, channels, eps=1e-6)
        self.q = nn.Conv2d(channels, channels, 1)
        self.k = nn.Conv2d(channels, channels, 1)
        self.v = nn.Conv2d(channels, channels, 1)
        self.proj_out = nn.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        h = self.norm(x)
        q, k, v = (layer(h).flatten(2).transpose(1, 2)[:, None] for layer in (self.q, self.k, self.v))
        if h.is_cuda:  # the fused kernels need innermost channels; without them the matrix takes gigabytes
            q, k, v = q.contiguous(), k.contiguous(), v.contiguous()
        out = F.scaled_dot_product_attention(q, k, v)[:, 0]
        return x + self.proj_out(out.transpose(1, 2).unflatten(2, x.shape[-2:]))


class Downsample(nn.Module):
    """Halve the feature map; pads only on the right and at the bottom, as the original does."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(F.pad(x, (0, 1, 0, 1)))


class Middle(nn.Module):
    """Residual block, attention and another residual block at the lowest resolution."""

    def __init__(self, channels: int, groups: int) -> None:
        super().__init__()
        self.block_1 = ResnetBlock(channels, channels, groups)
        self.attn_1 = AttnBlock(channels, groups)
        self.block_2 = ResnetBlock(channels, channels, groups)

    def forward(self, x: Tensor) -> Tensor:
        return self.block_2(self.attn_1(self.block_1(x)))


class Level(nn.Module):
    """Residual blocks at one resolution, each followed by attention if ``attend``, then resampling layers."""

    def __init__(
        self,
        channels: int,
        out_channels: int,
        blocks: int,
        attend: bool,
        groups: int,
        resampling: dict[str, nn.Module],
    ) -> None:
        super().__init__()
        inputs = [channels] + [out_channels] * (blocks - 1)
        self.block = nn.ModuleList(ResnetBlock(c, out_channels, groups) for c in inputs)
        self.attn = nn.ModuleList(AttnBlock(out_channels, groups) for _ in range(blocks if attend else 0))
        self.resampling = tuple(resampling)
        for name, module in resampling.items():
            self.add_module(name, module)

    def forward(self, x: Tensor) -> Tensor:
        for i, block in enumerate(self.block):
            x = block(x)
            if len(self.attn):
                x = self.attn[i](x)
        for name in self.resampling:
            x = self.get_submodule(name)(x)
        return x


class Encoder(nn.Module):
    """Images [B, 3, H, W] -> moments before ``quant_conv`` [B, 2 z_channels, H/f, W/f]."""

    def __init__(self, c: AutoencoderConfig) -> None:
        super().__init__()
        widths = [c.ch * m for m in c.ch_mult]
        self.conv_in = nn.Conv2d(c.in_channels, c.ch, 3, padding=1)
        levels = []
        for i, (width, out) in enumerate(zip([c.ch, *widths[:-1]], widths, strict=True)):
            attend = c.resolution // 2**i in c.attn_resolutions
            resampling: dict[str, nn.Module] = {"downsample": Downsample(out)} if i < len(widths) - 1 else {}
            levels.append(Level(width, out, c.num_res_blocks, attend, c.norm_groups, resampling))
        self.down = nn.ModuleList(levels)
        self.mid = Middle(widths[-1], c.norm_groups)
        self.norm_out = GroupNorm(c.norm_groups, widths[-1], eps=1e-6)
        self.conv_out = nn.Conv2d(widths[-1], 2 * c.z_channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv_in(x)
        for level in self.down:
            x = level(x)
        return self.conv_out(F.silu(self.norm_out(self.mid(x)), inplace=True))


class Decoder(nn.Module):
    """Latents [B, z_channels, h, w] -> images [B, 3, f h, f w]. Level 0 is the highest resolution."""

    def __init__(self, c: AutoencoderConfig) -> None:
        super().__init__()
        widths = [c.ch * m for m in c.ch_mult]
        self.conv_in = nn.Conv2d(c.z_channels, widths[-1], 3, padding=1)
        self.mid = Middle(widths[-1], c.norm_groups)
        levels = []
        for i, (width, out) in enumerate(zip([*widths[1:], widths[-1]], widths, strict=True)):
            attend = c.resolution // 2**i in c.attn_resolutions
            resampling: dict[str, nn.Module] = {"upsample": Upsample(out)} if i > 0 else {}
            levels.append(Level(width, out, c.num_res_blocks + 1, attend, c.norm_groups, resampling))
        self.up = nn.ModuleList(levels)
        self.norm_out = GroupNorm(c.norm_groups, widths[0], eps=1e-6)
        self.conv_out = nn.Conv2d(widths[0], c.out_ch, 3, padding=1)

    def forward(self, z: Tensor) -> Tensor:
        x = self.mid(self.conv_in(z))
        for level in reversed(self.up):
            x = level(x)
        return self.conv_out(F.silu(self.norm_out(x), inplace=True))


class Autoencoder(nn.Module):
    """Encode images in [-1, 1] to a Gaussian over latents, decode latents to images (unclamped)."""

    def __init__(self, config: AutoencoderConfig) -> None:
        super().__init__()
        self.encoder = Encoder(config)
        self.decoder = Decoder(config)
        self.quant_conv = nn.Conv2d(2 * config.z_channels, 2 * config.embed_dim, 1)
        self.post_quant_conv = nn.Conv2d(config.embed_dim, config.z_channels, 1)

    def encode(self, images: Tensor) -> Posterior:
        """Images [B, 3, H, W] in [-1, 1] -> posterior over latents [B, embed_dim, H/f, W/f]."""
        mean, logvar = self.quant_conv(self.encoder(images)).chunk(2, dim=1)
        return Posterior(mean, logvar.clamp(-30.0, 20.0))

    def decode(self, latents: Tensor) -> Tensor:
        """Latents [B, embed_dim, h, w] -> images [B, 3, f h, f w], in about [-1, 1]."""
        return self.decoder(self.post_quant_conv(latents))
