"""Read a diffusers folder's JSON files as a configuration of this model; refuse unsupported options."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from reference_model.config import (
    AutoencoderConfig,
    ModelConfig,
    ScheduleConfig,
    TextEncoderConfig,
    UNetConfig,
    describe,
)
from reference_model.errors import CheckpointError
from reference_model.tokenizer import END, START, Tokenizer, clip_merges, read_merges

__all__ = ["read_folder_config"]

IMPLEMENTED: dict[str, dict[str, Any]] = {
    "unet": {
        "act_fn": "silu",
        "addition_embed_type": None,
        "attention_type": "default",
        "center_input_sample": False,
        "class_embed_type": None,
        "conv_in_kernel": 3,
        "conv_out_kernel": 3,
        "cross_attention_norm": None,
        "downsample_padding": 1,
        "dual_cross_attention": False,
        "encoder_hid_dim_type": None,
        "flip_sin_to_cos": True,
        "freq_shift": 0,
        "mid_block_scale_factor": 1,
        "mid_block_type": "UNetMidBlock2DCrossAttn",
        "norm_eps": 1e-5,
        "num_class_embeds": None,
        "only_cross_attention": False,
        "resnet_skip_time_act": False,
        "resnet_time_scale_shift": "default",
        "time_cond_proj_dim": None,
        "time_embedding_dim": None,
        "time_embedding_type": "positional",
        "timestep_post_act": None,
    },
    "vae": {
        "act_fn": "silu",
        "latents_mean": None,
        "latents_std": None,
        "mid_block_add_attention": True,
        "shift_factor": None,
        "use_post_quant_conv": True,
        "use_quant_conv": True,
    },
    "scheduler": {
        "beta_schedule": "scaled_linear",
        "prediction_type": "epsilon",
        "rescale_betas_zero_snr": False,
        "trained_betas": None,
    },
}
"""Options that change the network or what it predicts, each with the only value implemented here.

The scheduler's other options choose a sampler and are ignored: samplers are chosen apart from models.
"""


def read_folder_config(folder: Path) -> ModelConfig:
    """The configuration of the model in ``folder``.

    Raises:
        CheckpointError: a JSON file is missing or damaged, or describes an unsupported model.
    """
    _refuse_other_pipelines(folder)
    try:
        unet = _read(folder, "unet/config.json")
        vae = _read(folder, "vae/config.json")
        return ModelConfig(
            schedule=_schedule(_read(folder, "scheduler/scheduler_config.json")),
            unet=_unet(unet, latent_channels=vae["latent_channels"]),
            autoencoder=_autoencoder(vae),
            text_encoder=_text_encoder(folder),
            scale_factor=float(vae.get("scaling_factor", 0.18215)),
        )
    except (AttributeError, IndexError, KeyError, TypeError, ValueError, ZeroDivisionError) as error:
        raise CheckpointError(f"{folder}: {describe(error)}") from error


def _refuse_other_pipelines(folder: Path) -> None:
    for part, kind in {
        "text_encoder_2": "SDXL",
        "transformer": "SD3 or Flux",
        "controlnet": "ControlNet",
    }.items():
        if (folder / part).is_dir():
            raise CheckpointError(f"{folder} has a folder {part}: {kind} is not Stable Diffusion v1")
    absent = [part for part in ("unet", "vae", "text_encoder", "scheduler") if not (folder / part).is_dir()]
    if absent:
        raise CheckpointError(
            f"{folder} is not a diffusers folder of Stable Diffusion v1: it has no {absent[0]}/"
        )


def _read(folder: Path, name: str) -> dict[str, Any]:
    try:
        content = json.loads((folder / name).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise CheckpointError(f"cannot read {folder / name}: {' '.join(str(error).split())}") from error
    if not isinstance(content, dict):
        raise CheckpointError(f"{folder / name} is not a JSON object")
    for option, supported in IMPLEMENTED.get(name.partition("/")[0], {}).items():
        if content.get(option, supported) != supported:
            raise CheckpointError(
                f"{folder / name}: {option} '{content[option]}' is not supported, only '{supported}' is"
            )
    return content


def _schedule(values: Mapping[str, Any]) -> ScheduleConfig:
    if "beta_schedule" not in values:
        raise ValueError("scheduler/scheduler_config.json has no beta_schedule")
    return ScheduleConfig(
        float(values["beta_start"]), float(values["beta_end"]), int(values.get("num_train_timesteps", 1000))
    )


def _unet(values: Mapping[str, Any], latent_channels: int) -> UNetConfig:
    widths = values["block_out_channels"]
    down, up = values["down_block_types"], values["up_block_types"]
    attends = [kind == "CrossAttnDownBlock2D" for kind in down]
    expected_down = ["CrossAttnDownBlock2D" if attend else "DownBlock2D" for attend in attends]
    expected_up = ["CrossAttnUpBlock2D" if attend else "UpBlock2D" for attend in reversed(attends)]
    if down != expected_down or up != expected_up:
        raise ValueError(f"unet/config.json: blocks {', '.join(down + up)} are not supported")
    if not values["in_channels"] == values["out_channels"] == latent_channels:
        raise ValueError(
            f"unet/config.json: {values['in_channels']} input channels for {latent_channels} latent ones: an "
            "inpainting or image-conditioned model, not text to image"
        )
    return UNetConfig(
        in_channels=values["in_channels"],
        out_channels=values["out_channels"],
        model_channels=widths[0],
        num_res_blocks=_uniform(values, "layers_per_block", 2),
        attention_resolutions=tuple(2**i for i in reversed(range(len(attends))) if attends[i]),
        channel_mult=tuple(_ratio(width, widths[0]) for width in widths),
        # In these models, what diffusers calls attention_head_dim is the number of heads.
        num_heads=values.get("num_attention_heads") or _uniform(values, "attention_head_dim", 8),
        transformer_depth=_uniform(values, "transformer_layers_per_block", 1),
        context_dim=_uniform(values, "cross_attention_dim", 768),
        norm_groups=values.get("norm_num_groups", 32),
    )


def _autoencoder(values: Mapping[str, Any]) -> AutoencoderConfig:
    kinds = {*values["down_block_types"], *values["up_block_types"]}
    if kinds != {"DownEncoderBlock2D", "UpDecoderBlock2D"}:
        raise ValueError(f"vae/config.json: blocks {', '.join(sorted(kinds))} are not supported")
    widths = values["block_out_channels"]
    return AutoencoderConfig(
        embed_dim=values["latent_channels"],
        z_channels=values["latent_channels"],
        in_channels=values.get("in_channels", 3),
        out_ch=values.get("out_channels", 3),
        ch=widths[0],
        ch_mult=tuple(int(_ratio(width, widths[0])) for width in widths),
        num_res_blocks=values.get("layers_per_block", 1),
        norm_groups=values.get("norm_num_groups", 32),
    )


def _uniform(values: Mapping[str, Any], option: str, default: int) -> int:
    """Read an option that may list one number per level; only equal numbers are supported."""
    value = values.get(option, default)
    numbers = set(value) if isinstance(value, Sequence) else {value}
    if len(numbers) != 1:
        raise ValueError(f"unet/config.json: {option} {value} differs between levels, as in SD 2.x and SDXL")
    return int(numbers.pop())


def _ratio(width: int, base: int) -> int | float:
    return width // base if width % base == 0 else width / base


def _text_encoder(folder: Path) -> TextEncoderConfig:
    values = _read(folder, "text_encoder/config.json")
    names = {field.name for field in fields(TextEncoderConfig)} - {"merges"}
    known = {key: value for key, value in values.items() if key in names}
    # For options missing from the file, this class has the same defaults as transformers.
    return TextEncoderConfig(**known, merges=_merges(folder / "tokenizer"))


def _merges(folder: Path) -> Path | None:
    """Path of the merges of a CLIP-like tokenizer; None means CLIP's own merges.

    Raises:
        CheckpointError: the tokenizer is of another kind, or numbers or pads its tokens differently.
    """
    if not folder.is_dir():
        return None
    pad = _read(folder, "tokenizer_config.json").get("pad_token", END)
    pad = pad.get("content") if isinstance(pad, dict) else pad
    if pad not in (END, None):
        raise CheckpointError(f"{folder}: it pads with '{pad}', as SD 2.x does; only '{END}' is supported")
    path = folder / "merges.txt"
    if not path.is_file():
        model = _read(folder, "tokenizer.json")["model"]
        pairs = [tuple(m.split(" ") if isinstance(m, str) else m) for m in model["merges"]]
        if pairs != clip_merges():
            raise CheckpointError(f"{folder} has a vocabulary of its own and no merges.txt: save it as one")
        return None
    merges = read_merges(path)
    vocabulary = _read(folder, "vocab.json")
    size = len(Tokenizer(merges))
    if (vocabulary.get(START), vocabulary.get(END)) != (size - 2, size - 1):
        raise CheckpointError(f"{folder}/vocab.json does not number its tokens in the order of merges.txt")
    return None if merges == clip_merges() else path
