"""What the model is made of: frozen configurations, read from the original YAML format.

The ``target: ldm...`` strings of an original file name classes of the original code. They are
looked up in a table of known names and never imported.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, TypeVar

import yaml

from reference_model.errors import CheckpointError

__all__ = [
    "LAION_400M",
    "AutoencoderConfig",
    "BertConfig",
    "ModelConfig",
    "ScheduleConfig",
    "TextEncoderConfig",
    "UNetConfig",
    "load_config",
]

# Options of the original code that change the network, and the only values that are implemented here.
IMPLEMENTED: dict[str, dict[str, Any]] = {
    "params": {"parameterization": "eps", "beta_schedule": "linear", "conditioning_key": "crossattn"},
    "unet_config": {
        "use_spatial_transformer": True,
        "use_scale_shift_norm": False,
        "resblock_updown": False,
        "conv_resample": True,
        "dims": 2,
        "num_classes": None,
        "num_head_channels": -1,
        "n_embed": None,
    },
    "first_stage_config.ddconfig": {"double_z": True, "attn_type": "vanilla"},
}

T = TypeVar("T")

CLIP = "ldm.modules.encoders.modules.FrozenCLIPEmbedder"
BERT = "ldm.modules.encoders.modules.BERTEmbedder"
TARGETS = {
    "": ("ldm.models.diffusion.ddpm.LatentDiffusion",),
    "unet_config": ("ldm.modules.diffusionmodules.openaimodel.UNetModel",),
    "first_stage_config": ("ldm.models.autoencoder.AutoencoderKL",),
    "cond_stage_config": (CLIP, BERT),
}
PUBLISHED_CLIP = "openai/clip-vit-large-patch14"


@dataclass(frozen=True)
class ScheduleConfig:
    """Scaled-linear noise schedule: betas run from ``linear_start`` to ``linear_end``."""

    linear_start: float = 0.00085
    linear_end: float = 0.012
    timesteps: int = 1000


@dataclass(frozen=True)
class UNetConfig:
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


@dataclass(frozen=True)
class AutoencoderConfig:
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

    @property
    def downsampling(self) -> int:
        """Pixels per latent along one side (f)."""
        return int(2 ** (len(self.ch_mult) - 1))


@dataclass(frozen=True)
class TextEncoderConfig:
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

    @property
    def vocabulary(self) -> bytes:
        """What tells this tokenizer from others, wherever its files lie."""
        return b"clip" if self.merges is None else self.merges.read_bytes()

    @property
    def portable(self) -> TextEncoderConfig:
        """The same settings without paths."""
        return replace(self, merges=None)


@dataclass(frozen=True)
class BertConfig:
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
class ModelConfig:
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


def load_config(path: Path) -> ModelConfig:
    """Read an original-format YAML file.

    Raises:
        CheckpointError: the file is missing, is not YAML, or describes a model of another kind.
    """
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise CheckpointError(f"cannot read config {path}: {error.strerror}") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise CheckpointError(f"config {path} is not valid YAML: {str(error).splitlines()[0]}") from error
    try:
        return _parse(document["model"], path)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise CheckpointError(f"config {path}: missing or malformed entry {error}") from error


def _parse(model: dict[str, Any], path: Path) -> ModelConfig:
    params = model["params"]
    for name, expected in TARGETS.items():
        found = (params[name] if name else model)["target"]
        if found not in expected:
            raise CheckpointError(
                f"config {path}: target '{found}' is not supported, expected '{' or '.join(expected)}'"
            )
    unet, first_stage = params["unet_config"]["params"], params["first_stage_config"]["params"]
    sections = {"params": params, "unet_config": unet, "first_stage_config.ddconfig": first_stage["ddconfig"]}
    for section, values in sections.items():
        for key, supported in IMPLEMENTED[section].items():
            if values.get(key, supported) != supported:
                raise CheckpointError(
                    f"config {path}: {key} '{values[key]}' is not supported, only '{supported}' is"
                )
    return ModelConfig(
        schedule=_known(ScheduleConfig, params),
        unet=_known(UNetConfig, unet),
        autoencoder=_known(
            AutoencoderConfig, {**first_stage["ddconfig"], "embed_dim": first_stage["embed_dim"]}
        ),
        text_encoder=_text_encoder(params["cond_stage_config"], path),
        scale_factor=float(params["scale_factor"]),
        use_ema=_flag(params, "use_ema"),
    )


def _text_encoder(section: dict[str, Any], path: Path) -> TextEncoderConfig | BertConfig:
    """``version`` names a folder beside the file, for small encoders with a vocabulary of their own."""
    params = section.get("params") or {}
    if section["target"] == BERT:
        vocabulary = (
            {"vocabulary_file": path.parent / params["version"] / "vocab.txt"} if "version" in params else {}
        )
        return _known(BertConfig, {**params, **vocabulary})
    return _clip(params, path)


def _clip(params: dict[str, Any], path: Path) -> TextEncoderConfig:
    """The head count cannot be inferred from weights, so small encoders name a Hugging Face folder."""
    if params.get("version", PUBLISHED_CLIP) == PUBLISHED_CLIP:
        return TextEncoderConfig()
    folder = path.parent / params["version"]
    try:
        values = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CheckpointError(
            f"config {path}: cannot read text encoder config {folder}/config.json"
        ) from error
    merges = folder / "merges.txt"
    return _known(TextEncoderConfig, {**values, "merges": merges if merges.exists() else None})


def _flag(params: dict[str, Any], key: str) -> bool:
    value = params.get(key, False)
    if not isinstance(value, bool):
        raise ValueError(f"'{key}': true or false, not {value!r}")
    return value


def _known(cls: type[T], values: dict[str, Any]) -> T:
    """Keep the entries that ``cls`` has; original files also carry training settings."""
    names = {field.name for field in fields(cls)}  # type: ignore[arg-type]
    kept = {k: tuple(v) if isinstance(v, list) else v for k, v in values.items() if k in names}
    return cls(**kept)
