"""Read configurations in the original YAML format; class names in a file are compared, never imported."""

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path
from typing import Any, TypeVar

import yaml

from reference_model.config import (
    AutoencoderConfig,
    BertConfig,
    ModelConfig,
    ScheduleConfig,
    TextEncoderConfig,
    UNetConfig,
    describe,
)
from reference_model.errors import CheckpointError

__all__ = ["load_config"]

# Options of the original code that change the result, each with the only value implemented here.
IMPLEMENTED: dict[str, dict[str, Any]] = {
    "params": {
        "parameterization": "eps",
        "beta_schedule": "linear",
        "given_betas": None,
        "v_posterior": 0,
        "conditioning_key": "crossattn",
        "cond_stage_forward": None,
        "scale_by_std": False,
    },
    "params.unet_config.params": {
        "use_spatial_transformer": True,
        "use_scale_shift_norm": False,
        "resblock_updown": False,
        "conv_resample": True,
        "dims": 2,
        "num_classes": None,
        "num_head_channels": -1,
        "n_embed": None,
        "disable_self_attentions": None,
        "disable_middle_self_attn": False,
        "num_attention_blocks": None,
        "use_linear_in_transformer": False,
    },
    "params.first_stage_config.params.ddconfig": {
        "double_z": True,
        "attn_type": "vanilla",
        "use_linear_attn": False,
        "resamp_with_conv": True,
        "tanh_out": False,
        "give_pre_end": False,
    },
}

CLIP = "ldm.modules.encoders.modules.FrozenCLIPEmbedder"
BERT = "ldm.modules.encoders.modules.BERTEmbedder"
TARGETS = {
    "": ("ldm.models.diffusion.ddpm.LatentDiffusion",),
    "unet_config": ("ldm.modules.diffusionmodules.openaimodel.UNetModel",),
    "first_stage_config": ("ldm.models.autoencoder.AutoencoderKL",),
    "cond_stage_config": (CLIP, BERT),
}
PUBLISHED_CLIP = "openai/clip-vit-large-patch14"

T = TypeVar("T", ScheduleConfig, UNetConfig, AutoencoderConfig, TextEncoderConfig, BertConfig)


def load_config(path: Path) -> ModelConfig:
    """Read an original-format YAML file.

    Raises:
        CheckpointError: the file is missing, is not YAML, or describes an unsupported model.
    """
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise CheckpointError(f"cannot read config {path}: {error.strerror}") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise CheckpointError(f"config {path} is not valid YAML: {str(error).splitlines()[0]}") from error
    try:
        return _parse(document["model"], path)
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise CheckpointError(f"config {path}: missing or malformed entry {describe(error)}") from error


def _parse(model: dict[str, Any], path: Path) -> ModelConfig:
    params = model["params"]
    for name, expected in TARGETS.items():
        found = (params[name] if name else model)["target"]
        if found not in expected:
            raise CheckpointError(
                f"config {path}: target '{found}' is not supported, expected '{' or '.join(expected)}'"
            )
    unet, first_stage = params["unet_config"]["params"], params["first_stage_config"]["params"]
    sections = (params, unet, first_stage["ddconfig"])  # in the order of IMPLEMENTED
    for (section, options), values in zip(IMPLEMENTED.items(), sections, strict=True):
        _refuse_options(path, section, values, options)
    return ModelConfig(
        schedule=_known(ScheduleConfig, params),
        unet=_known(UNetConfig, unet),
        autoencoder=_known(
            AutoencoderConfig, {**first_stage["ddconfig"], "embed_dim": first_stage["embed_dim"]}
        ),
        text_encoder=_text_encoder(params["cond_stage_config"], path),
        scale_factor=_read(params["scale_factor"]),
        use_ema=params.get("use_ema", False),
    )


def _refuse_options(path: Path, section: str, values: dict[str, Any], options: dict[str, Any]) -> None:
    """Refuse values other than ``options`` (name -> implemented value); any false value counts as False."""
    for key, supported in options.items():
        value = values.get(key, supported)
        on = any(value) if isinstance(value, list) else value  # a list has one flag per level
        if on != supported and (on or supported):
            raise CheckpointError(
                f"config {path}: {section}.{key} '{value!s:.60}' is not supported, only '{supported}' is"
            )


def _text_encoder(section: dict[str, Any], path: Path) -> TextEncoderConfig | BertConfig:
    """Small encoders with their own vocabulary keep it beside the file, in the folder ``version``."""
    params, place = section.get("params") or {}, "params.cond_stage_config.params"
    if section["target"] == BERT:
        _refuse_options(path, place, params, {"use_tokenizer": True})
        vocabulary = (
            {"vocabulary_file": path.parent / params["version"] / "vocab.txt"} if "version" in params else {}
        )
        return _known(BertConfig, {**params, **vocabulary})
    encoder = _clip(params, path)
    only = {"layer": "last", "max_length": encoder.max_position_embeddings}
    _refuse_options(path, place, params, only)
    return encoder


def _clip(params: dict[str, Any], path: Path) -> TextEncoderConfig:
    """Weights do not reveal the number of heads, so small encoders name a Hugging Face folder."""
    if params.get("version", PUBLISHED_CLIP) == PUBLISHED_CLIP:
        return TextEncoderConfig()
    folder = path.parent / params["version"]
    try:
        values = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise CheckpointError(
            f"config {path}: cannot read text encoder config {folder}/config.json"
        ) from error
    merges = folder / "merges.txt"
    return _known(TextEncoderConfig, {**values, "merges": merges if merges.exists() else None})


def _known(cls: type[T], values: dict[str, Any]) -> T:
    """Keep the entries that ``cls`` defines; original files also hold training settings."""
    return cls(**{field.name: _read(values[field.name]) for field in fields(cls) if field.name in values})


def _read(value: Any) -> Any:
    """Convert numbers that YAML 1.1 reads as text, such as 85e-5; return anything else unchanged."""
    if isinstance(value, list):
        return tuple(_read(item) for item in value)
    if isinstance(value, str):
        try:
            number = float(value)
        except ValueError:
            return value
        return int(number) if number.is_integer() else number
    return value
