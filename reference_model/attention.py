"""The transformer that conditions image positions on the text, and its layers.

Rombach et al. 2022, section 3.3: self-attention, cross-attention to the context, gated feed-forward.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import cast

import torch.nn.functional as F
from torch import Tensor, nn

from reference_model.layers import GroupNorm, tiled

__all__ = ["Context", "CrossAttention", "SpatialTransformer", "perturbed_attention", "self_attentions"]


@dataclass(frozen=True, eq=False)
class Context:
    """Encoded prompts [B, L, D] for several evaluations with the same weights.

    Each cross-attention keeps its keys and values here, which depend on nothing else.
    """

    rows: Tensor
    kept: dict[nn.Module, tuple[Tensor, Tensor]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.rows)


class CrossAttention(nn.Module):
    """Multi-head attention of x [B, N, C] to context [B, M, D] (to itself if None) -> [B, N, C].

    ``to_itself_only`` replaces the attention map by the identity (`perturbed_attention`).
    """

    def __init__(self, channels: int, context_dim: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.to_itself_only = False
        self.to_q = nn.Linear(channels, channels, bias=False)
        self.to_k = nn.Linear(context_dim, channels, bias=False)
        self.to_v = nn.Linear(context_dim, channels, bias=False)
        self.to_out = nn.Sequential(nn.Linear(channels, channels), nn.Identity())

    def forward(self, x: Tensor, context: Tensor | Context | None = None) -> Tensor:
        if self.to_itself_only:
            return self.to_out(self.to_v(x))
        if isinstance(context, Context):
            if self not in context.kept:
                context.kept[self] = self._keys_values(context.rows)
            k, v = context.kept[self]
        else:
            k, v = self._keys_values(x if context is None else context)
        out = F.scaled_dot_product_attention(self._by_head(self.to_q(x)), k, v)
        return self.to_out(out.transpose(1, 2).flatten(-2))

    def _keys_values(self, context: Tensor) -> tuple[Tensor, Tensor]:
        return self._by_head(self.to_k(context)), self._by_head(self.to_v(context))

    def _by_head(self, x: Tensor) -> Tensor:
        """[B, N, heads d] -> [B, heads, N, d]."""
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)


class GEGLU(nn.Module):
    """Gated linear unit with an exact GELU gate (Shazeer 2020): [..., C] -> [..., D]."""

    def __init__(self, channels: int, out_channels: int) -> None:
        super().__init__()
        self.proj = nn.Linear(channels, 2 * out_channels)

    def forward(self, x: Tensor) -> Tensor:
        value, gate = self.proj(x).chunk(2, dim=-1)
        return F.gelu(gate).mul_(value)


class FeedForward(nn.Module):
    """Gated feed-forward network whose hidden layer is four times as wide."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.net = nn.Sequential(
            GEGLU(channels, 4 * channels), nn.Identity(), nn.Linear(4 * channels, channels)
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x)


class TransformerBlock(nn.Module):
    """Pre-norm self-attention, cross-attention and feed-forward over x [B, N, C].

    The context may have k B rows; the result then has k B rows, too.
    """

    def __init__(self, channels: int, context_dim: int, heads: int) -> None:
        super().__init__()
        self.attn1 = CrossAttention(channels, channels, heads)
        self.ff = FeedForward(channels)
        self.attn2 = CrossAttention(channels, context_dim, heads)
        self.norm1 = nn.LayerNorm(channels)
        self.norm2 = nn.LayerNorm(channels)
        self.norm3 = nn.LayerNorm(channels)

    def forward(self, x: Tensor, context: Tensor | Context) -> Tensor:
        x = tiled(self.attn1(self.norm1(x)).add_(x), len(context))
        x = self.attn2(self.norm2(x), context).add_(x)
        return self.ff(self.norm3(x)).add_(x)


class SpatialTransformer(nn.Module):
    """Transformer over the positions of a feature map x [B, C, H, W], with a residual connection."""

    def __init__(self, channels: int, context_dim: int, heads: int, depth: int, groups: int) -> None:
        super().__init__()
        # As in the original: eps is 1e-6 here, but 1e-5 in the residual blocks.
        self.norm = GroupNorm(groups, channels, eps=1e-6)
        self.proj_in = nn.Conv2d(channels, channels, 1)
        self.transformer_blocks = nn.ModuleList(
            TransformerBlock(channels, context_dim, heads) for _ in range(depth)
        )
        self.proj_out = nn.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor, context: Tensor | Context) -> Tensor:
        height, width = x.shape[-2:]
        h = self.proj_in(self.norm(x)).flatten(2).transpose(1, 2)
        for block in self.transformer_blocks:
            h = block(h, context)
        return self.proj_out(h.transpose(1, 2).unflatten(2, (height, width))).add_(tiled(x, len(h)))


def self_attentions(network: nn.Module, layers: Sequence[str]) -> list[CrossAttention]:
    """Return the self-attentions within the named modules of a network, such as "middle_block".

    Raises:
        ValueError: A name is no module of the network, or has no self-attention in it.
    """
    found = {name: part for name, part in network.named_modules() if name.endswith(".attn1")}
    chosen: dict[str, CrossAttention] = {}
    for layer in layers:
        within = {name: part for name, part in found.items() if f"{name}.".startswith(f"{layer}.")}
        if not within:
            blocks = dict.fromkeys(name.partition(".transformer_blocks")[0] for name in found)
            raise ValueError(
                f"no self-attention in the layer {layer!r}; there is some in {', '.join(blocks)}"
            )
        chosen |= cast("dict[str, CrossAttention]", within)
    return list(chosen.values())


@contextmanager
def perturbed_attention(attentions: Sequence[CrossAttention]) -> Iterator[None]:
    """Let each position attend to itself alone, for the time of the block.

    Ahn et al. 2024, "Self-rectifying diffusion sampling with perturbed-attention guidance", section 4: the
    identity in place of the softmax leaves the values.
    """
    for attention in attentions:
        attention.to_itself_only = True
    try:
        yield
    finally:
        for attention in attentions:
            attention.to_itself_only = False
