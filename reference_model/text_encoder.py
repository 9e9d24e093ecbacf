"""CLIP's text transformer (Radford et al. 2021), the frozen text encoder of Stable Diffusion v1.

Module names follow the published checkpoints (Hugging Face's layout of the text model).
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reference_model.config import TextEncoderConfig
from reference_model.layers import embedding

__all__ = ["TextEncoder"]


def quick_gelu(x: Tensor) -> Tensor:
    """Sigmoid approximation of GELU (Hendrycks and Gimpel 2016), with which OpenAI trained CLIP."""
    return x * torch.sigmoid(1.702 * x)


ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {"quick_gelu": quick_gelu, "gelu": F.gelu}


class SelfAttention(nn.Module):
    """Causal multi-head self-attention, [B, L, D] -> [B, L, D]."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.k_proj = nn.Linear(dim, dim)
        self.v_proj = nn.Linear(dim, dim)
        self.q_proj = nn.Linear(dim, dim)
        self.out_proj = nn.Linear(dim, dim)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = (
            layer(x).unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for layer in (self.q_proj, self.k_proj, self.v_proj)
        )
        out = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        return self.out_proj(out.transpose(1, 2).flatten(-2))


class MLP(nn.Module):
    """Two linear layers with CLIP's activation in between."""

    def __init__(self, config: TextEncoderConfig) -> None:
        super().__init__()
        self.activation = ACTIVATIONS[config.hidden_act]
        self.fc1 = nn.Linear(config.hidden_size, config.intermediate_size)
        self.fc2 = nn.Linear(config.intermediate_size, config.hidden_size)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(self.activation(self.fc1(x)))


class EncoderLayer(nn.Module):
    """Pre-norm transformer layer."""

    def __init__(self, config: TextEncoderConfig) -> None:
        super().__init__()
        self.self_attn = SelfAttention(config.hidden_size, config.num_attention_heads)
        self.layer_norm1 = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.mlp = MLP(config)
        self.layer_norm2 = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.self_attn(self.layer_norm1(x))
        return x + self.mlp(self.layer_norm2(x))


class Embeddings(nn.Module):
    """Token plus position embeddings, [B, L] -> [B, L, D]."""

    position_ids: Tensor

    def __init__(self, config: TextEncoderConfig) -> None:
        super().__init__()
        self.token_embedding = embedding(config.vocab_size, config.hidden_size)
        self.position_embedding = embedding(config.max_position_embeddings, config.hidden_size)
        # Published checkpoints hold this buffer; keeping it lets their keys match one to one.
        self.register_buffer("position_ids", torch.tensor([range(config.max_position_embeddings)]))

    def forward(self, tokens: Tensor) -> Tensor:
        positions = self.position_ids[:, : tokens.shape[1]]
        return self.token_embedding(tokens) + self.position_embedding(positions)


class Layers(nn.Module):
    """The transformer layers in order, [B, L, D] -> [B, L, D]."""

    def __init__(self, config: TextEncoderConfig) -> None:
        super().__init__()
        self.layers = nn.ModuleList(EncoderLayer(config) for _ in range(config.num_hidden_layers))

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = layer(x)
        return x


class TextTransformer(nn.Module):
    """Token ids [B, L] -> last hidden state after the final layer norm [B, L, D]."""

    def __init__(self, config: TextEncoderConfig) -> None:
        super().__init__()
        self.embeddings = Embeddings(config)
        self.encoder = Layers(config)
        self.final_layer_norm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)

    def forward(self, tokens: Tensor) -> Tensor:
        return self.final_layer_norm(self.encoder(self.embeddings(tokens)))


class TextEncoder(nn.Module):
    """The conditioning stage: token ids int64 [B, L] -> context float [B, L, D]."""

    def __init__(self, config: TextEncoderConfig) -> None:
        super().__init__()
        self.transformer = nn.ModuleDict({"text_model": TextTransformer(config)})

    def forward(self, tokens: Tensor) -> Tensor:
        return self.transformer["text_model"](tokens)
