"""What the model is made of: frozen settings that hold what their fields say."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

__all__ = [
    "LAION_400M",
    "AutoencoderConfig",
    "BertConfig",
    "Checked",
    "ModelConfig",
    "ScheduleConfig",
    "TextEncoderConfig",
    "UNetConfig",
]

LIMIT = 1_000_000
"""Far above every number of a configuration; beyond it, memory would end the run."""


def _whole(value: object) -> bool:
    return type(value) is int and 0 < value <= LIMIT


def _positive(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value <= LIMIT


EXPECTED: dict[str, tuple[Callable[[Any], bool], str]] = {
    "bool": (lambda value: isinstance(value, bool), "true or false"),
    "str": (lambda value: isinstance(value, str), "text"),
    "int": (_whole, f"a whole number from 1 to {LIMIT}"),
    "float": (_positive, f"a number above 0, at most {LIMIT}"),
    "tuple[int, ...]": (lambda value: all(map(_whole, value)), "a list of whole numbers above 0"),
    "tuple[int | float, ...]": (lambda value: all(map(_positive, value)), "a list of numbers above 0"),
}
"""What a field of each type must hold, and how to say so."""


@dataclass(frozen=True)
class Checked:
    """Settings that have the types of their fields; ValueError names the one that has not."""

    def __post_init__(self) -> None:
        for entry in fields(self):
            value = getattr(self, entry.name)
            fits, expected = EXPECTED.get(str(entry.type), (lambda _: True, ""))
            if isinstance(entry.default, tuple) != isinstance(value, tuple) or not fits(value):
                raise ValueError(f"'{entry.name}': {expected}, not {value!s:.60}")


def _check_heads(name: str, heads: int, width: int) -> None:
    if width % heads:
        raise ValueError(f"'{name}': {heads} does not divide the {width} channels of an attention layer")


@dataclass(frozen=True)
class ScheduleConfig(Checked):
    """Scaled-linear noise schedule: betas run from ``linear_start`` to ``linear_end``, both within (0, 1)."""

    linear_start: float = 0.00085
    linear_end: float = 0.012
    timesteps: int = 1000

    def __post_init__(self) -> None:
        super().__post_init__()
        if max(self.linear_start, self.linear_end) >= 1:
            raise ValueError("'linear_start', 'linear_end': betas are below 1")
        if self.timesteps == 1:
            raise ValueError("'timesteps': at least 2, not 1")


@dataclass(frozen=True)
class UNetConfig(Checked):
    """Topology of the denoiser; the defaults are Stable Diffusion v1 (860 million parameters).

    ``attention_resolutions`` holds downsampling factors, not sizes. ``norm_groups`` is not part of
    the original format: 32 there, smaller for narrow networks.
    """

    in_channels: int = 4
    out_channels: int = 4
    model_channels: int = 320
    num_res_blocks: int = 2
    attention_resolutions: tuple[int, ...] = (4, 2, 1)
    channel_mult: tuple[int | float, ...] = (1, 2, 4, 4)
    num_heads: int = 8
    transformer_depth: int = 1
    context_dim: int = 768
    norm_groups: int = 32

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.channel_mult:
            raise ValueError("'channel_mult': a list that is not empty")
        last = len(self.channel_mult) - 1  # the middle of the network attends at this width in any case
        for level, multiple in enumerate(self.channel_mult):
            if level == last or 2**level in self.attention_resolutions:
                _check_heads("num_heads", self.num_heads, int(multiple * self.model_channels))


@dataclass(frozen=True)
class AutoencoderConfig(Checked):
    """Topology of the KL autoencoder; the defaults are Stable Diffusion v1 (f = 8)."""

    embed_dim: int = 4
    z_channels: int = 4
    in_channels: int = 3
    out_ch: int = 3
    resolution: int = 256
    ch: int = 128
    ch_mult: tuple[int, ...] = (1, 2, 4, 4)
    num_res_blocks: int = 2
    attn_resolutions: tuple[int, ...] = ()
    norm_groups: int = 32

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.ch_mult:
            raise ValueError("'ch_mult': a list that is not empty")

    @property
    def downsampling(self) -> int:
        """Pixels per latent along one side (f)."""
        return int(2 ** (len(self.ch_mult) - 1))


@dataclass(frozen=True)
class TextEncoderConfig(Checked):
    """CLIP text transformer; the defaults are ViT-L/14's. ``merges`` of None means CLIP's own BPE."""

    vocab_size: int = 49408
    hidden_size: int = 768
    intermediate_size: int = 3072
    num_hidden_layers: int = 12
    num_attention_heads: int = 12
    max_position_embeddings: int = 77
    hidden_act: str = "quick_gelu"
    layer_norm_eps: float = 1e-5
    merges: Path | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_heads("num_attention_heads", self.num_attention_heads, self.hidden_size)

    @property
    def vocabulary(self) -> bytes:
        """What tells this tokenizer from others, wherever its files lie."""
        return b"clip" if self.merges is None else self.merges.read_bytes()

    @property
    def portable(self) -> TextEncoderConfig:
        """The same settings without paths."""
        return replace(self, merges=None)


@dataclass(frozen=True)
class BertConfig(Checked):
    """Text transformer over BERT's word pieces; the defaults are those of the LAION-400M model.

    ``vocabulary_file`` is a ``vocab.txt``; None means that of bert-base-uncased.
    """

    n_embed: int = 1280
    n_layer: int = 32
    vocab_size: int = 30522
    max_seq_len: int = 77
    vocabulary_file: Path | None = None

    @property
    def vocabulary(self) -> bytes:
        """What tells this tokenizer from others, wherever its files lie."""
        return b"bert-base-uncased" if self.vocabulary_file is None else self.vocabulary_file.read_bytes()

    @property
    def portable(self) -> BertConfig:
        """The same settings without paths."""
        return replace(self, vocabulary_file=None)


@dataclass(frozen=True)
class ModelConfig(Checked):
    """A whole latent diffusion model.

    ``use_ema`` says which weights to take from a file that holds both sets.
    """

    schedule: ScheduleConfig = ScheduleConfig()
    unet: UNetConfig = UNetConfig()
    autoencoder: AutoencoderConfig = AutoencoderConfig()
    text_encoder: TextEncoderConfig | BertConfig = TextEncoderConfig()
    scale_factor: float = 0.18215
    # Not part of the text that `digest` hashes, so that digests from before it was known stay valid.
    use_ema: bool = field(default=False, repr=False)

    @property
    def side_multiple(self) -> int:
        """What the sides of an image must be multiples of, in pixels: 64 for Stable Diffusion v1."""
        return self.autoencoder.downsampling * int(2 ** (len(self.unet.channel_mult) - 1))

    def latent_shape(self, height: int, width: int) -> tuple[int, int, int]:
        """The latents of an image of so many pixels: (channels, height / f, width / f).

        Raises:
            ValueError: a side that the autoencoder and the UNet cannot halve as often as they have to.
        """
        f, multiple = self.autoencoder.downsampling, self.side_multiple
        if height < 1 or width < 1 or height % multiple or width % multiple:
            raise ValueError(f"image sides must be multiples of {multiple}, got {height} x {width}")
        return self.unet.in_channels, height // f, width // f

    @property
    def digest(self) -> str:
        """sha256 over all settings and the tokenizer's vocabulary, wherever their files lie."""
        settings = repr(replace(self, text_encoder=self.text_encoder.portable))
        ema = b"\nuse_ema" if self.use_ema else b""
        return hashlib.sha256(settings.encode() + b"\n" + self.text_encoder.vocabulary + ema).hexdigest()


LAION_400M = ModelConfig(unet=UNetConfig(context_dim=1280), text_encoder=BertConfig())
"""The text-to-image model trained on LAION-400M (Rombach et al. 2022, section 4.3.1): 1.5 billion weights."""
