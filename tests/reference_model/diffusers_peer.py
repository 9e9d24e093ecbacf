"""A tiny Stable Diffusion as diffusers and transformers build it."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from diffusers import AutoencoderKL, PNDMScheduler, UNet2DConditionModel
from transformers import CLIPTextConfig, CLIPTextModel

WIDTHS = (32, 64, 48)
UNET = {
    "block_out_channels": WIDTHS,
    "down_block_types": ("CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"),
    "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D"),
    "cross_attention_dim": 16,
    "attention_head_dim": 4,
    "layers_per_block": 2,
    "norm_num_groups": 16,
}
VAE = {
    "block_out_channels": (32, 64, 64),
    "down_block_types": ("DownEncoderBlock2D",) * 3,
    "up_block_types": ("UpDecoderBlock2D",) * 3,
    "latent_channels": 4,
    "layers_per_block": 1,
    "scaling_factor": 0.5,
}
TEXT = {
    "vocab_size": 49408,
    "hidden_size": 16,
    "intermediate_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "hidden_act": "quick_gelu",
}


class Peer:
    """A tiny pipeline with random weights, built by diffusers and saved to a folder."""

    def __init__(self, folder: Path, **unet) -> None:
        torch.manual_seed(0)
        self.folder = folder
        self.unet = UNet2DConditionModel(**UNET | unet).eval()
        self.vae = AutoencoderKL(**VAE).eval()
        self.text = CLIPTextModel(CLIPTextConfig(**TEXT)).eval()
        for module in (self.unet, self.vae, self.text):
            for parameter in module.parameters():
                # Norms are initialised to ones and zeros, which would hide a wrong name.
                parameter.data += 0.05 * torch.randn_like(parameter)
        scheduler = PNDMScheduler(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear")
        for module, name in ((self.unet, "unet"), (self.vae, "vae"), (self.text, "text_encoder")):
            module.save_pretrained(folder / name)
        scheduler.save_pretrained(folder / "scheduler")
        parts = {name: ["diffusers", "Model"] for name in ("unet", "vae", "text_encoder", "scheduler")}
        (folder / "model_index.json").write_text(
            json.dumps({"_class_name": "StableDiffusionPipeline", **parts})
        )
