"""Frozen, type-checked model configuration."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

from pydantic import ConfigDict, Field, ValidationError
from pydantic.dataclasses import dataclass

__all__ = [
    "LAION_400M",
    "AutoencoderConfig",
    "BertConfig",
    "ModelConfig",
    "ScheduleConfig",
    "TextEncoderConfig",
    "UNetConfig",
    "describe",
]

LIMIT = 1_000_000
"""Far above every value in a real configuration; larger ones would exhaust memory."""

STRICT = ConfigDict(strict=True, extra="forbid")
Whole = Annotated[int, Field(gt=0, le=LIMIT)]
Number = Annotated[float, Field(gt=0, le=LIMIT)]


def describe(error: Exception) -> str:
    """One line on why a configuration is invalid: field, rule and value of its first fault."""
    if not isinstance(error, ValidationError):
        return " ".join(str(error).split())
    fault = error.errors()[0]
    if fault["type"] == "value_error":  # raised by a class below, with the field in its text
        return str(fault["ctx"]["error"])
    rule = fault["msg"].lower().removeprefix("input ").replace("tuple", "list")
    return f"'{fault['loc'][0]}': {rule}, not {fault['input']!s:.60}"


def _check_heads(name: str, heads: int, width: int) -> None:
    if width % heads:
        raise ValueError(f"'{name}': {heads} does not divide the {width} channels of an attention layer")


@dataclass(frozen=True, config=STRICT)
class ScheduleConfig:
    """Scaled-linear noise schedule: betas run from ``linear_start`` to ``linear_end``, both within (0, 1)."""

    linear_start: Number = 0.00085
    linear_end: Number = 0.012
    timesteps: Whole = 1000

    def __post_init__(self) -> None:
        if max(self.linear_start, self.linear_end) >= 1:
            raise ValueError("'linear_start', 'linear_end': betas are below 1")
        if self.timesteps == 1:
            raise ValueError("'timesteps': at least 2, not 1")


@dataclass(frozen=True, config=STRICT)
class UNetConfig:
    """Topology of the denoiser; the defaults are those of Stable Diffusion v1 (860 million parameters).

    ``attention_resolutions`` holds downsampling factors, not sizes. ``norm_groups`` extends the original
    format, which fixes it at 32; narrow networks need fewer.
    """

    in_channels: Whole = 4
    out_channels: Whole = 4
    model_channels: Whole = 320
    num_res_blocks: Whole = 2
    attention_resolutions: tuple[Whole, ...] = (4, 2, 1)
    channel_mult: Annotated[tuple[Whole | Number, ...], Field(min_length=1)] = (1, 2, 4, 4)
    num_heads: Whole = 8
    transformer_depth: Whole = 1
    context_dim: Whole = 768
    norm_groups: Whole = 32

    def __post_init__(self) -> None:
        last = len(self.channel_mult) - 1  # the middle block always attends at this width
        for level, multiple in enumerate(self.channel_mult):
            if level == last or 2**level in self.attention_resolutions:
                _check_heads("num_heads", self.num_heads, int(multiple * self.model_channels))


@dataclass(frozen=True, config=STRICT)
class AutoencoderConfig:
    """Topology of the KL autoencoder; the defaults are those of Stable Diffusion v1 (f = 8)."""

    embed_dim: Whole = 4
    z_channels: Whole = 4
    in_channels: Whole = 3
    out_ch: Whole = 3
    resolution: Whole = 256
    ch: Whole = 128
    ch_mult: Annotated[tuple[Whole, ...], Field(min_length=1)] = (1, 2, 4, 4)
    num_res_blocks: Whole = 2
    attn_resolutions: tuple[Whole, ...] = ()
    norm_groups: Whole = 32

    @property
    def downsampling(self) -> int:
        """Pixels per latent along one side (f)."""
        return int(2 ** (len(self.ch_mult) - 1))


@dataclass(frozen=True, config=STRICT)
class TextEncoderConfig:
    """CLIP text transformer; the defaults are those of ViT-L/14. ``merges`` None means CLIP's own BPE."""

    vocab_size: Whole = 49408
    hidden_size: Whole = 768
    intermediate_size: Whole = 3072
    num_hidden_layers: Whole = 12
    num_attention_heads: Whole = 12
    max_position_embeddings: Whole = 77
    hidden_act: str = "quick_gelu"
    layer_norm_eps: Number = 1e-5
    merges: Path | None = None

    def __post_init__(self) -> None:
        _check_heads("num_attention_heads", self.num_attention_heads, self.hidden_size)

    @property
    def vocabulary(self) -> bytes:
        """Identifies the tokenizer: the bytes of its vocabulary file, or the name of the published one."""
        return b"clip" if self.merges is None else self.merges.read_bytes()


@dataclass(frozen=True, config=STRICT)
class BertConfig:
    """Text transformer over BERT's word pieces; the defaults are those of the LAION-400M model.

    ``vocabulary_file`` is a ``vocab.txt``; None means that of bert-base-uncased.
    """

    n_embed: Whole = 1280
    n_layer: Whole = 32
    vocab_size: Whole = 30522
    max_seq_len: Whole = 77
    vocabulary_file: Path | None = None

    @property
    def vocabulary(self) -> bytes:
        """Identifies the tokenizer: the bytes of its vocabulary file, or the name of the published one."""
        return b"bert-base-uncased" if self.vocabulary_file is None else self.vocabulary_file.read_bytes()


@dataclass(frozen=True, config=STRICT)
class ModelConfig:
    """A whole latent diffusion model.

    ``use_ema`` selects the weights if a file holds both sets.
    """

    schedule: ScheduleConfig = ScheduleConfig()
    unet: UNetConfig = UNetConfig()
    autoencoder: AutoencoderConfig = AutoencoderConfig()
    text_encoder: TextEncoderConfig | BertConfig = TextEncoderConfig()
    scale_factor: Number = 0.18215
    use_ema: bool = False

    @property
    def side_multiple(self) -> int:
        """Image sides must be multiples of this number of pixels: 64 for Stable Diffusion v1."""
        return self.autoencoder.downsampling * int(2 ** (len(self.unet.channel_mult) - 1))

    def latent_shape(self, height: int, width: int) -> tuple[int, int, int]:
        """Shape of the latents of an image of height x width pixels: (channels, height / f, width / f).

        Raises:
            ValueError: a side is not a multiple of `side_multiple`.
        """
        f, multiple = self.autoencoder.downsampling, self.side_multiple
        if height < 1 or width < 1 or height % multiple or width % multiple:
            raise ValueError(f"image sides must be multiples of {multiple}, got {height} x {width}")
        return self.unet.in_channels, height // f, width // f

    @property
    def digest(self) -> str:
        """sha256 over all values in canonical JSON; a vocabulary counts by its content, not its path."""
        values = json.dumps(asdict(self), sort_keys=True, default=_content_digest)
        return hashlib.sha256(values.encode()).hexdigest()


def _content_digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


LAION_400M = ModelConfig(unet=UNetConfig(context_dim=1280), text_encoder=BertConfig())
"""The text-to-image model trained on LAION-400M (Rombach et al. 2022, section 4.3.1); 1.5 billion weights."""
