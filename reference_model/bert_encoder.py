"""The text transformer of the LAION-400M model, trained together with the denoiser.

Rombach et al. 2022, section 4.3.1. Module names follow the published checkpoint. Attention has no mask:
it covers a prompt's padding as well as its words.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reference_model.config import BertConfig
from reference_model.layers import embedding

__all__ = ["BertEncoder"]

HEADS = 8
HEAD_DIM = 64


class SelfAttention(nn.Module):
    """Multi-head self-attention with a head size that does not depend on D: [B, L, D] -> [B, L, D]."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        inner = HEADS * HEAD_DIM
        self.to_q = nn.Linear(dim, inner, bias=False)
        self.to_k = nn.Linear(dim, inner, bias=False)
        self.to_v = nn.Linear(dim, inner, bias=False)
        self.to_out = nn.Linear(inner, dim)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = (
            layer(x).unflatten(-1, (HEADS, HEAD_DIM)).transpose(1, 2)
            for layer in (self.to_q, self.to_k, self.to_v)
        )
        return self.to_out(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(-2))


class FeedForward(nn.Module):
    """Two linear layers with an exact GELU in between; the hidden layer is four times as wide."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        widening = nn.Sequential(nn.Linear(dim, 4 * dim), nn.GELU())
        self.net = nn.Sequential(widening, nn.Identity(), nn.Linear(4 * dim, dim))

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x)


class PreNorm(nn.Sequential):
    """A layer norm followed by a block, with a residual connection."""

    def forward(self, x: Tensor) -> Tensor:
        return x + super().forward(x)


class Layers(nn.Module):
    """Attention and feed-forward blocks in turn."""

    def __init__(self, dim: int, depth: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            PreNorm(nn.LayerNorm(dim), block)
            for _ in range(depth)
            for block in (SelfAttention(dim), FeedForward(dim))
        )

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = layer(x)
        return x


class Transformer(nn.Module):
    """Token ids [B, L] -> embeddings after the final norm [B, L, D]."""

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        dim = config.n_embed
        self.token_emb = embedding(config.vocab_size, dim)
        self.pos_emb = nn.ModuleDict({"emb": embedding(config.max_seq_len, dim)})
        self.attn_layers = Layers(dim, config.n_layer)
        self.norm = nn.LayerNorm(dim)
        # Not used; keeping it lets the keys of the published checkpoint match one to one.
        self.to_logits = nn.Linear(dim, config.vocab_size)

    def forward(self, tokens: Tensor) -> Tensor:
        positions = torch.arange(tokens.shape[1], device=tokens.device)
        return self.norm(self.attn_layers(self.token_emb(tokens) + self.pos_emb["emb"](positions)))


class BertEncoder(nn.Module):
    """The conditioning stage: token ids int64 [B, L] -> context float [B, L, D]."""

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        self.transformer = Transformer(config)

    def forward(self, tokens: Tensor) -> Tensor:
        return self.transformer(tokens)
