"""The same model and weights as a diffusers pipeline."""

from __future__ import annotations

import logging
from typing import Any

import torch

from reference_model import LatentDiffusion
from reference_model.checkpoints.diffusers import their_names
from reference_model.computation import HALVES
from reference_model.config import AutoencoderConfig, ModelConfig, UNetConfig
from sdbench.core.errors import InputError

__all__ = ["build_pipeline"]


def build_pipeline(model: LatentDiffusion, precision: str) -> Any:
    """Build a StableDiffusionPipeline with PLMS that takes encoded prompts.

    Raises:
        InputError: diffusers is not installed.
    """
    try:
        import diffusers
    except ImportError:
        raise InputError("diffusers is not installed: pip install 'sdbench[diffusers]'") from None
    logging.getLogger("diffusers").setLevel(logging.ERROR)
    config, device = model.config, model.device
    unet: Any
    vae: Any
    with torch.device(device):
        unet = diffusers.UNet2DConditionModel(**_unet(config))
        vae = diffusers.AutoencoderKL(**_autoencoder(config.autoencoder), scaling_factor=config.scale_factor)
    _fill(unet, "unet", model)
    _fill(vae, "vae", model)
    schedule = config.schedule
    scheduler = diffusers.PNDMScheduler(
        num_train_timesteps=schedule.timesteps,
        beta_start=schedule.linear_start,
        beta_end=schedule.linear_end,
        beta_schedule="scaled_linear",
        skip_prk_steps=True,
        set_alpha_to_one=False,
        steps_offset=1,
    )
    pipeline: Any = diffusers.StableDiffusionPipeline(
        vae=vae,
        unet=unet,
        scheduler=scheduler,
        text_encoder=None,
        tokenizer=None,
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    if precision in HALVES:
        pipeline.to(HALVES[precision])
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def _unet(config: ModelConfig) -> dict[str, Any]:
    c: UNetConfig = config.unet
    levels = range(len(c.channel_mult))
    attends = [2**level in c.attention_resolutions for level in levels]
    return {
        "in_channels": c.in_channels,
        "out_channels": c.out_channels,
        "block_out_channels": tuple(int(c.model_channels * m) for m in c.channel_mult),
        "down_block_types": tuple("CrossAttnDownBlock2D" if a else "DownBlock2D" for a in attends),
        "up_block_types": tuple("CrossAttnUpBlock2D" if a else "UpBlock2D" for a in reversed(attends)),
        "layers_per_block": c.num_res_blocks,
        "attention_head_dim": c.num_heads,  # diffusers' name for the number of heads
        "cross_attention_dim": c.context_dim,
        "norm_num_groups": c.norm_groups,
        "sample_size": config.autoencoder.resolution // config.autoencoder.downsampling,
    }


def _autoencoder(c: AutoencoderConfig) -> dict[str, Any]:
    levels = len(c.ch_mult)
    return {
        "block_out_channels": tuple(c.ch * m for m in c.ch_mult),
        "down_block_types": ("DownEncoderBlock2D",) * levels,
        "up_block_types": ("UpDecoderBlock2D",) * levels,
        "latent_channels": c.z_channels,
        "layers_per_block": c.num_res_blocks,
        "norm_num_groups": c.norm_groups,
        "sample_size": c.resolution,
    }


def _fill(module: torch.nn.Module, component: str, model: LatentDiffusion) -> None:
    targets = module.state_dict()
    given = {}
    for name, tensor in model.state_dict().items():
        for theirs in their_names(name, model.config):
            key = theirs.removeprefix(f"{component}/")
            if theirs.startswith(f"{component}/") and key in targets:
                given[key] = tensor.reshape(targets[key].shape).contiguous()
    module.load_state_dict(given)
    module.eval().requires_grad_(False)
